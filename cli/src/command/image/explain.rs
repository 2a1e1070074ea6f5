//! `gantry image explain`: which step of an image costs what, and what of it nobody can see.

use anyhow::Result;
use serde_json::Value;

use crate::command::container::{ellipsis, short_id};
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::platform_json;
use crate::format::{aligned, decimal_size_precise};

/// Show what each layer of an image costs and which of its files are hidden by later ones
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// Print the engine's answer as JSON
    #[arg(long)]
    json: bool,
    /// Do not cut texts short
    #[arg(long)]
    no_trunc: bool,
    /// The platform's variant of the image (linux/amd64)
    #[arg(long, value_name = "string")]
    platform: Option<String>,
    #[arg(value_name = "IMAGE")]
    args: Vec<String>,
}

const STEP_CHARS: usize = 60;
/// Wasteful files that are named unless everything is wanted.
const FILES_SHOWN: usize = 5;

impl Execute for Explain {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let platform = self.platform.as_deref().map(platform_json).transpose()?;
        let call = cx.client().get(format!("/images/{}/explain", self.args[0]));
        let answer: Value = call.maybe("platform", platform).fetch().await?;
        if self.json {
            cx.printer.line(serde_json::to_string_pretty(&answer)?)?;
            return Ok(Exit::SUCCESS);
        }
        let empty = Vec::new();
        let layers = answer["Layers"].as_array().unwrap_or(&empty);
        let mut rows = vec![
            ["LAYER", "SIZE", "FILES", "WASTE", "SHARED", "STEP"]
                .map(str::to_owned)
                .to_vec(),
        ];
        rows.extend(
            layers
                .iter()
                .enumerate()
                .map(|(number, layer)| self.row(number, layer)),
        );
        cx.printer.raw(table(&rows).as_bytes())?;
        self.print_waste(cx, layers)?;
        let (size, wasted) = (&answer["Size"], &answer["Wasted"]);
        cx.printer.line(format!(
            "\n{} in {} layers; {} of it hidden by later layers",
            bytes(size),
            layers.len(),
            bytes(wasted)
        ))?;
        Ok(Exit::SUCCESS)
    }
}

impl Explain {
    fn row(&self, number: usize, layer: &Value) -> Vec<String> {
        let step = layer["CreatedBy"]
            .as_str()
            .unwrap_or_default()
            .replace(['\n', '\t'], " ");
        let step = match self.no_trunc {
            true => step,
            false => ellipsis(&step, STEP_CHARS),
        };
        let shared = layer["SharedWith"].as_array().map_or(0, Vec::len);
        vec![
            number.to_string(),
            bytes(&layer["Size"]),
            layer["Files"].to_string(),
            bytes(&layer["Wasted"]),
            match shared {
                0 => "-".to_owned(),
                1 => "1 image".to_owned(),
                more => format!("{more} images"),
            },
            step,
        ]
    }

    /// The largest hidden files, layer by layer.
    fn print_waste(&self, cx: &Context, layers: &[Value]) -> Result<()> {
        let most = if self.no_trunc {
            usize::MAX
        } else {
            FILES_SHOWN
        };
        for (number, layer) in layers.iter().enumerate() {
            let files = layer["Waste"].as_array().into_iter().flatten();
            for file in files.take(most) {
                let path = file["Path"].as_str().unwrap_or_default();
                cx.printer.line(format!(
                    "  layer {number}: /{path} ({}) is hidden by layer {}",
                    bytes(&file["Size"]),
                    file["HiddenBy"]
                ))?;
            }
        }
        Ok(())
    }
}

/// Rows as a table.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let lines: Vec<_> = rows.iter().map(|cells| cells.join("\t")).collect();
    aligned(&lines.join("\n"), 10, 3)
}

pub(super) fn bytes(value: &Value) -> String {
    decimal_size_precise(value.as_f64().unwrap_or_default())
}

/// 12 digits of a layer's or image's digest.
pub(super) fn short(value: &Value) -> &str {
    short_id(value.as_str().unwrap_or_default())
}
