//! `gantry search`.

use anyhow::Result;
use gantry_ids::ImageRef;
use serde_json::Value;

use crate::command::container::ellipsis;
use crate::context::Context;
use crate::credentials::header_for;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{Filter, filters};
use crate::format::{Listing, Row};

/// Search Docker Hub for images
#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// Show only repositories that meet a condition (stars=…, is-official=…)
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
    /// A Go template
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
    /// Most repositories to show
    #[arg(long, value_name = "int")]
    limit: Option<i64>,
    /// Do not cut texts short
    #[arg(long)]
    no_trunc: bool,
    #[arg(value_name = "TERM")]
    args: Vec<String>,
}

const LISTING: Listing = Listing {
    columns: &[
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("StarCount", "STARS"),
        ("IsOfficial", "OFFICIAL"),
    ],
    table: "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
    kind: "*formatter.searchContext",
};
const DESCRIPTION_CHARS: usize = 45;

impl Execute for Search {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let term = self.args[0].as_str();
        let mut call = cx
            .client()
            .get("/images/search")
            .query("term", term)
            .maybe("limit", self.limit.map(|limit| limit.to_string()))
            .maybe("filters", filters(&self.filter));
        // Of a term that is no name the engine says why.
        if let Ok(name) = term.parse::<ImageRef>() {
            call = call.header("x-registry-auth", header_for(&cx.config, &name)?);
        }
        let found: Vec<Value> = call.fetch().await?;
        let rows: Vec<Row> = found.iter().map(|one| row(one, !self.no_trunc)).collect();
        LISTING.print(&cx.printer, &self.format, &rows)?;
        Ok(Exit::SUCCESS)
    }
}

fn row(one: &Value, cut: bool) -> Row {
    let description = one["description"].as_str().unwrap_or_default();
    let description = description.replace(['\n', '\r'], " ");
    let description = match cut {
        true => ellipsis(&description, DESCRIPTION_CHARS),
        false => description,
    };
    let official = one["is_official"].as_bool().unwrap_or_default();
    Row::new([
        ("Name", one["name"].clone()),
        ("Description", description.into()),
        ("StarCount", one["star_count"].to_string().into()),
        ("IsOfficial", if official { "[OK]" } else { "" }.into()),
    ])
}
