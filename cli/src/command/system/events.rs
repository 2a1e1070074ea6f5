//! `gantry events`.

use std::fmt::Write as _;

use anyhow::Result;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::Value;

use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::{Exit, Failure};
use crate::flags::{Filter, filters};
use crate::format::{Missing, Template, plain_compact, timestamp_argument};

/// Get real time events from the server
#[derive(Debug, clap::Args)]
pub(crate) struct Events {
    /// Show only events that meet a condition (type=…, event=…, container=…)
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
    /// 'json' or a Go template
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
    /// Show events since a time or a duration ago
    #[arg(long, value_name = "string")]
    since: Option<String>,
    /// Stop at a time
    #[arg(long, value_name = "string")]
    until: Option<String>,
}

impl Execute for Events {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let template = match self.format.as_str() {
            "" | "json" => None,
            source => {
                let parsed = Template::parse(source);
                Some(parsed.map_err(|error| Failure::new(64, error.to_string()))?)
            }
        };
        let now = Timestamp::now();
        let moment =
            |text: Option<&String>| text.map(|text| timestamp_argument(text, now)).transpose();
        let mut reply = cx
            .client()
            .get("/events")
            .maybe("since", moment(self.since.as_ref())?)
            .maybe("until", moment(self.until.as_ref())?)
            .maybe("filters", filters(&self.filter))
            .send()
            .await?;
        let mut rest = Vec::new();
        while let Some(chunk) = reply.chunk().await? {
            rest.extend_from_slice(&chunk);
            let used = {
                let mut events = serde_json::Deserializer::from_slice(&rest).into_iter::<Value>();
                loop {
                    match events.next() {
                        Some(Ok(event)) => {
                            cx.printer.line(self.show(&event, template.as_ref())?)?;
                        }
                        Some(Err(error)) if !error.is_eof() => return Err(error.into()),
                        // The rest of this event comes with the next chunk.
                        Some(Err(_)) | None => break events.byte_offset(),
                    }
                }
            };
            rest.drain(..used);
            cx.printer.flush()?;
        }
        Ok(Exit::SUCCESS)
    }
}

impl Events {
    fn show(&self, event: &Value, template: Option<&Template>) -> Result<String> {
        match template {
            Some(template) => template.execute(event, Missing::Print),
            None if self.format == "json" => Ok(plain_compact(event)),
            None => Ok(line(event)),
        }
    }
}

/// `2026-11-21T14:19:19.844341761Z volume create vv (driver=local)`.
fn line(event: &Value) -> String {
    let text = |key: &str| event[key].as_str().unwrap_or_default();
    let mut out = String::new();
    let nanos = event["timeNano"].as_i64().filter(|nanos| *nanos != 0);
    let moment = match nanos {
        Some(nanos) => Timestamp::from_nanosecond(i128::from(nanos)),
        None => Timestamp::from_second(event["time"].as_i64().unwrap_or(0)),
    };
    if let Ok(moment) = moment {
        let local = Zoned::new(moment, TimeZone::system());
        let nanos = local.subsec_nanosecond();
        let offset = local.strftime("%:z").to_string();
        let zone = if offset == "+00:00" {
            "Z"
        } else {
            offset.as_str()
        };
        let _ = write!(
            out,
            "{}.{nanos:09}{zone} ",
            local.strftime("%Y-%m-%dT%H:%M:%S")
        );
    }
    let actor = &event["Actor"];
    let id = actor["ID"].as_str().unwrap_or_default();
    let _ = write!(out, "{} {} {id}", text("Type"), text("Action"));
    let attributes = actor["Attributes"].as_object().into_iter().flatten();
    let mut attributes: Vec<String> = attributes
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    attributes.sort();
    if !attributes.is_empty() {
        let _ = write!(out, " ({})", attributes.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_follow_by_key() {
        let event = serde_json::json!({
            "Type": "volume", "Action": "create", "timeNano": 1_795_270_759_844_341_761_i64,
            "Actor": {"ID": "vv", "Attributes": {"b": "2", "a": "1"}},
        });
        let shown = line(&event);
        assert!(shown.ends_with(" volume create vv (a=1, b=2)"), "{shown}");
    }
}
