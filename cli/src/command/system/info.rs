//! `gantry info`.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::info_text;
use super::version::no_such_field;
use crate::client::ClientError;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::{Exit, Failure};
use crate::format::{Missing, Template, plain_compact};

/// Display system-wide information
#[derive(Debug, clap::Args)]
pub(crate) struct Info {
    /// 'json' or a Go template
    #[arg(
        short,
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
}

impl Execute for Info {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let template = match self.format.as_str() {
            "" | "json" => None,
            source => {
                let parsed = Template::parse(source);
                Some(parsed.map_err(|error| Failure::new(64, error.to_string()))?)
            }
        };
        let asked: Result<Map<String, Value>, ClientError> = cx.client().get("/info").fetch().await;
        let client = json!({
            "Debug": false,
            "Version": env!("CARGO_PKG_VERSION"),
            "GitCommit": crate::command::BUILD,
            "Os": std::env::consts::OS,
            "Context": cx.endpoint.context,
            "Plugins": [],
            "Warnings": null,
        });
        if let (Some(_) | None, "json") | (Some(_), _) = (&template, self.format.as_str()) {
            let (mut all, failed) = match asked {
                Ok(info) => (info, None),
                Err(error) => (Map::new(), Some(error)),
            };
            if let Some(error) = &failed {
                all.insert("ServerErrors".to_owned(), json!([error.to_string()]));
            }
            all.insert("ClientInfo".to_owned(), client);
            print(cx, template.as_ref(), &Value::Object(all))?;
            return failed.map_or(Ok(Exit::SUCCESS), |error| Err(error.into()));
        }
        cx.printer.raw(info_text::client(&client).as_bytes())?;
        let info = match asked {
            Ok(info) => Value::Object(info),
            Err(error) => {
                cx.printer.line("\nServer:")?;
                return Err(error.into());
            }
        };
        cx.printer.raw(info_text::server(&info).as_bytes())?;
        cx.printer.flush()?;
        for warning in info["Warnings"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            cx.printer.say(warning);
        }
        Ok(Exit::SUCCESS)
    }
}

fn print(cx: &Context, template: Option<&Template>, all: &Value) -> Result<()> {
    let Some(template) = template else {
        return Ok(cx.printer.line(plain_compact(all))?);
    };
    match template.execute(all, Missing::Refuse) {
        Ok(text) => Ok(cx.printer.line(text)?),
        Err(error) => {
            cx.printer.line("")?;
            let text = no_such_field(&error.to_string(), "system.dockerInfo");
            Err(Failure::new(1, text).into())
        }
    }
}
