//! `gantry network graph`: networks, containers, addresses, ports, and who can reach whom.
//!
//! Owns the request and the choice of a form; what is drawn is `model`'s, and each form has a file.

use anyhow::{Result, bail};
use serde_json::Value;

use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

mod dot;
mod model;
mod svg;
mod text;

use model::Model;

/// Draw networks, containers, their ports, and who can reach whom
#[derive(Debug, clap::Args)]
pub(crate) struct Graph {
    /// 'text', 'dot' (Graphviz) or 'svg'
    #[arg(long, value_name = "string", default_value = "text")]
    format: String,
    /// Show networks without containers too
    #[arg(short, long)]
    all: bool,
    #[arg(value_name = "NETWORK")]
    args: Vec<String>,
}

impl Execute for Graph {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let draw = match self.format.as_str() {
            "text" => text::draw,
            "dot" => dot::draw,
            "svg" => svg::draw,
            other => bail!("invalid format \"{other}\": must be text, dot or svg"),
        };
        let networks: Vec<Value> = cx.client().get("/networks").fetch().await?;
        let containers: Vec<Value> = cx.client().get("/containers/json").fetch().await?;
        let mut model = Model::of(&networks, &containers);
        if self.args.is_empty() {
            if !self.all {
                model.drop_empty();
            }
        } else {
            model.keep(&self.args)?;
        }
        cx.printer.raw(draw(&model).as_bytes())?;
        Ok(Exit::SUCCESS)
    }
}
