//! `gantry history`.

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use crate::command::container::{ellipsis, short_id};
use crate::context::Context;
use crate::dispatch::{Execute, go_bool};
use crate::exit::Exit;
use crate::flags::platform_json;
use crate::format::{Listing, Row, decimal_size_precise, since};

/// Show the history of an image
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
    /// Print sizes and dates for people
    #[arg(short = 'H', long, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = go_bool)]
    human: bool,
    /// Do not cut texts short
    #[arg(long)]
    no_trunc: bool,
    /// The platform's variant of the image (linux/amd64)
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    /// Only print ids
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "IMAGE")]
    args: Vec<String>,
}

const HUMAN: Listing = Listing {
    columns: &[
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
    table: "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    kind: "*formatter.historyContext",
};
const EXACT: &str = "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

impl Execute for History {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let platform = self.platform.as_deref().map(platform_json).transpose()?;
        let call = cx.client().get(format!("/images/{}/history", self.args[0]));
        let steps: Vec<Value> = call.maybe("platform", platform).fetch().await?;
        let now = Timestamp::now();
        let rows: Vec<Row> = steps.iter().map(|step| self.row(step, now)).collect();
        let format = match self.format.as_str() {
            "" if self.quiet => "{{.ID}}",
            "" | "table" if !self.human => EXACT,
            format => format,
        };
        HUMAN.print(&cx.printer, format, &rows)?;
        Ok(Exit::SUCCESS)
    }
}

impl History {
    fn row(&self, step: &Value, now: Timestamp) -> Row {
        let text = |key: &str| step[key].as_str().unwrap_or_default();
        let created = Timestamp::from_second(step["Created"].as_i64().unwrap_or(0));
        let created = created.unwrap_or(Timestamp::UNIX_EPOCH);
        let by = text("CreatedBy").replace('\t', " ");
        let bytes = step["Size"].as_f64().unwrap_or(0.0);
        let ago = match created.as_second() {
            0 => String::new(),
            _ => format!("{} ago", since(created, now)),
        };
        let size = if self.human {
            decimal_size_precise(bytes)
        } else {
            format!("{bytes}")
        };
        Row::new([
            (
                "ID",
                if self.no_trunc {
                    text("Id")
                } else {
                    short_id(text("Id"))
                }
                .into(),
            ),
            ("CreatedSince", ago.into()),
            ("CreatedAt", created.to_string().into()),
            (
                "CreatedBy",
                if self.no_trunc { by } else { ellipsis(&by, 45) }.into(),
            ),
            ("Size", size.into()),
            ("Comment", text("Comment").into()),
        ])
    }
}
