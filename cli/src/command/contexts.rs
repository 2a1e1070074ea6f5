//! `gantry context ls` and `show`: docker's contexts, read and never written.

use anyhow::Result;

use crate::config::contexts;
use crate::context::Context;
use crate::dispatch::{Arity, Execute, Verb};
use crate::exit::Exit;
use crate::format::{Listing, Row};

pub(super) const VERBS: &[Verb] = &[
    Verb::new::<Ls>(
        &["context ls", "context list"],
        "[OPTIONS]",
        "List contexts",
        Arity::Exactly(0),
    ),
    Verb::new::<Show>(
        &["context show"],
        "",
        "Print the name of the current context",
        Arity::Exactly(0),
    ),
];

/// List contexts
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
    /// Only print names
    #[arg(short, long)]
    quiet: bool,
}

const LISTING: Listing = Listing {
    columns: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("DockerEndpoint", "DOCKER ENDPOINT"),
        ("Error", "ERROR"),
        ("Current", ""),
    ],
    table: "{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
    kind: "*formatter.clientContextContext",
};

impl Execute for Ls {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let current = &cx.endpoint.context;
        let default = if current == "default" {
            cx.endpoint.host.to_string()
        } else {
            format!("unix://{}", crate::config::DEFAULT_SOCKET)
        };
        let mut rows = vec![row(
            "default",
            "Current DOCKER_HOST based configuration",
            &default,
            current,
        )];
        for one in contexts(&cx.config) {
            rows.push(row(&one.name, &one.description, &one.host, current));
        }
        let format = if self.quiet {
            "{{.Name}}"
        } else {
            &self.format
        };
        LISTING.print(&cx.printer, format, &rows)?;
        Ok(Exit::SUCCESS)
    }
}

fn row(name: &str, description: &str, host: &str, current: &str) -> Row {
    Row::new([
        ("Name", name.into()),
        ("Description", description.into()),
        ("DockerEndpoint", host.into()),
        ("Error", "".into()),
        ("Current", (name == current).into()),
    ])
}

/// Print the name of the current context
#[derive(Debug, clap::Args)]
pub(crate) struct Show {}

impl Execute for Show {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        cx.printer.line(&cx.endpoint.context)?;
        Ok(Exit::SUCCESS)
    }
}
