//! `gantry network ls`.

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use crate::command::container::short_id;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{Filter, filters};
use crate::format::{Listing, Row, go_timestamp, sorted_pairs};

/// List networks
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// Show only networks that meet a condition (driver=bridge, name=…)
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
    /// Do not cut texts short
    #[arg(long)]
    no_trunc: bool,
    /// Only print ids
    #[arg(short, long)]
    quiet: bool,
}

const LISTING: Listing = Listing {
    columns: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    kind: "*network.networkContext",
};

impl Execute for Ls {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let format = if self.format.is_empty() {
            &cx.config.networks_format
        } else {
            &self.format
        };
        let call = cx
            .client()
            .get("/networks")
            .maybe("filters", filters(&self.filter));
        let mut networks: Vec<Value> = call.fetch().await?;
        networks.sort_by(|a, b| a["Name"].as_str().cmp(&b["Name"].as_str()));
        let rows: Vec<Row> = networks
            .iter()
            .map(|network| row(network, !self.no_trunc))
            .collect();
        let format = if self.quiet { "{{.ID}}" } else { format };
        LISTING.print(&cx.printer, format, &rows)?;
        Ok(Exit::SUCCESS)
    }
}

fn row(network: &Value, cut: bool) -> Row {
    let text = |key: &str| network[key].as_str().unwrap_or_default();
    let flag = |key: &str| Value::from((network[key] == true).to_string());
    let created = text("Created")
        .parse::<Timestamp>()
        .map(go_timestamp)
        .unwrap_or_default();
    Row::new([
        (
            "ID",
            if cut {
                short_id(text("Id"))
            } else {
                text("Id")
            }
            .into(),
        ),
        ("Name", text("Name").into()),
        ("Driver", text("Driver").into()),
        ("Scope", text("Scope").into()),
        ("IPv4", flag("EnableIPv4")),
        ("IPv6", flag("EnableIPv6")),
        ("Internal", flag("Internal")),
        ("Labels", sorted_pairs(&network["Labels"]).into()),
        ("CreatedAt", created.into()),
    ])
    .with_labels(&network["Labels"])
}
