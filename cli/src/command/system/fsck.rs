//! `gantry system fsck`.

use anyhow::Result;
use serde_json::Value;

use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::format::decimal_size;

/// Check everything that the engine stores
#[derive(Debug, clap::Args)]
pub(crate) struct Fsck {
    /// Mend what can be mended
    #[arg(long)]
    repair: bool,
}

impl Execute for Fsck {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let call = cx.client().post("/gantry/fsck").flag("repair", self.repair);
        let report = call.value().await?;
        let findings: Vec<&Value> = report["Findings"]
            .as_array()
            .into_iter()
            .flatten()
            .collect();
        for finding in &findings {
            cx.printer.line(sentence(finding))?;
        }
        let open = findings
            .iter()
            .filter(|one| one["Repaired"] != true)
            .count();
        cx.printer.say(format!(
            "{} images, {} layers with {}: {}",
            report["Images"],
            report["Layers"],
            decimal_size(report["LayerBytes"].as_f64().unwrap_or(0.0)),
            match (findings.len(), open) {
                (0, _) => "no problems".to_owned(),
                (all, 0) => format!("{all} problems, all repaired"),
                (all, open) => format!("{all} problems, {open} of them open"),
            }
        ));
        Ok(if open == 0 { Exit::SUCCESS } else { Exit(1) })
    }
}

/// `layer sha256:…: what is wrong; what to do`.
fn sentence(finding: &Value) -> String {
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let said = format!("{} {}: {}", text("Kind"), text("Id"), text("Problem"));
    match (finding["Repaired"] == true, text("Advice")) {
        (true, _) => format!("{said}; repaired"),
        (false, advice) if advice.is_empty() => said,
        (false, advice) => format!("{said}; {advice}"),
    }
}
