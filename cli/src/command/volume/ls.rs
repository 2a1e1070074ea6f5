//! `gantry volume ls`.

use anyhow::Result;
use serde_json::Value;

use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{Filter, filters};
use crate::format::{Listing, Row, decimal_size, sorted_pairs};

/// List volumes
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// Show only volumes that meet a condition (dangling=true, name=…, label=…)
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
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

pub(crate) const LISTING: Listing = Listing {
    columns: &[
        ("Name", "VOLUME NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Labels", "LABELS"),
        ("Links", "LINKS"),
        ("Size", "SIZE"),
        ("Group", "GROUP"),
        ("Availability", "AVAILABILITY"),
        ("Status", "STATUS"),
    ],
    table: "{{.Driver}}\t{{.Name}}",
    kind: "*formatter.volumeContext",
};

impl Execute for Ls {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let format = if self.format.is_empty() {
            &cx.config.volumes_format
        } else {
            &self.format
        };
        let call = cx
            .client()
            .get("/volumes")
            .maybe("filters", filters(&self.filter));
        let answer: Value = call.fetch().await?;
        let mut volumes: Vec<&Value> = answer["Volumes"].as_array().into_iter().flatten().collect();
        volumes.sort_by_key(|volume| volume["Name"].as_str().unwrap_or_default());
        let rows: Vec<Row> = volumes.into_iter().map(row).collect();
        let format = if self.quiet { "{{.Name}}" } else { format };
        LISTING.print(&cx.printer, format, &rows)?;
        Ok(Exit::SUCCESS)
    }
}

/// The fields of one volume.
pub(crate) fn row(volume: &Value) -> Row {
    let text = |key: &str| Value::from(volume[key].as_str().unwrap_or_default());
    let usage = &volume["UsageData"];
    let unknown = || Value::from("N/A");
    let links = usage["RefCount"]
        .as_i64()
        .map_or_else(unknown, |count| count.to_string().into());
    let size = usage["Size"].as_f64().filter(|size| *size >= 0.0);
    Row::new([
        ("Name", text("Name")),
        ("Driver", text("Driver")),
        ("Scope", text("Scope")),
        ("Mountpoint", text("Mountpoint")),
        ("Labels", sorted_pairs(&volume["Labels"]).into()),
        ("Links", links),
        (
            "Size",
            size.map_or_else(unknown, |size| decimal_size(size).into()),
        ),
        ("Group", unknown()),
        ("Availability", unknown()),
        ("Status", unknown()),
    ])
    .with_labels(&volume["Labels"])
}
