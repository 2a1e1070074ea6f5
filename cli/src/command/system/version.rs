//! `gantry version`.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Value, json};

use crate::client::ClientError;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::{Exit, Failure};
use crate::format::{Missing, Template, aligned, plain_compact};

/// Show the version information
#[derive(Debug, clap::Args)]
pub(crate) struct Version {
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

impl Execute for Version {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let template = match self.format.as_str() {
            "" | "json" => None,
            source => {
                let parsed = Template::parse(source);
                Some(parsed.map_err(|error| Failure::new(64, error.to_string()))?)
            }
        };
        let asked = cx.client().get("/version").value().await;
        let spoken = cx.client().version().await;
        let spoken = spoken.map_or_else(|_| "1.51".to_owned(), |version| version.to_string());
        let mut all = json!({"Client": client(cx, &spoken)});
        let failed: Option<ClientError> = match asked {
            Ok(server) => {
                all["Server"] = server;
                None
            }
            Err(error) => {
                all["Server"] = Value::Null;
                Some(error)
            }
        };
        match &template {
            None if self.format == "json" => cx.printer.line(plain_compact(&all))?,
            None => cx.printer.raw(text(&all).as_bytes())?,
            Some(template) => match template.execute(&all, Missing::Refuse) {
                Ok(text) => cx.printer.line(text)?,
                Err(_) if failed.is_some() => cx.printer.line("")?,
                Err(error) => {
                    cx.printer.line("")?;
                    let text = error
                        .to_string()
                        .replace("template: :", "template: version:");
                    let text = text.replace("executing \"\"", "executing \"version\"");
                    let text = no_such_field(&text, "system.versionInfo");
                    return Err(Failure::new(1, text).into());
                }
            },
        }
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(Exit::SUCCESS),
        }
    }
}

/// docker's words for a field that its struct does not have.
pub(super) fn no_such_field(text: &str, kind: &str) -> String {
    match text.split_once("map has no entry for key ") {
        Some((head, key)) => {
            format!(
                "{head}can't evaluate field {} in type {kind}",
                key.trim_matches('"')
            )
        }
        None => text.to_owned(),
    }
}

fn client(cx: &Context, spoken: &str) -> Value {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "ApiVersion": spoken,
        "DefaultAPIVersion": "1.51",
        "GitCommit": crate::command::BUILD,
        "GoVersion": "",
        "Os": std::env::consts::OS,
        "Arch": arch,
        "BuildTime": "",
        "Context": cx.endpoint.context,
    })
}

/// docker's text: one block for the client, one for each component of the server.
fn text(all: &Value) -> String {
    let mut lines = block("Client", " ", &client_lines(&all["Client"]));
    let server = &all["Server"];
    if server.is_null() {
        return lines;
    }
    let platform = server["Platform"]["Name"].as_str().unwrap_or_default();
    let _ = write!(
        lines,
        "\nServer:{}\n",
        if platform.is_empty() {
            String::new()
        } else {
            format!(" {platform}")
        }
    );
    for component in server["Components"].as_array().into_iter().flatten() {
        let name = component["Name"].as_str().unwrap_or_default();
        lines.push_str(&block(
            &format!(" {name}"),
            "  ",
            &component_lines(component),
        ));
    }
    lines
}

type Lines = Vec<(String, String)>;

fn block(title: &str, indent: &str, lines: &Lines) -> String {
    let mut text = String::new();
    for (key, value) in lines {
        let _ = writeln!(text, "{indent}{key}:\t{value}");
    }
    format!("{title}:\n{}", aligned(&text, 20, 1))
}

fn client_lines(client: &Value) -> Lines {
    let get = |key: &str| client[key].as_str().unwrap_or_default().to_owned();
    let platform = format!("{}/{}", get("Os"), get("Arch"));
    let (spoken, newest) = (get("ApiVersion"), get("DefaultAPIVersion"));
    let spoken = if spoken == newest {
        spoken
    } else {
        format!("{spoken} (downgraded from {newest})")
    };
    let lines = [
        ("Version", get("Version")),
        ("API version", spoken),
        ("Git commit", get("GitCommit")),
        ("OS/Arch", platform),
        ("Context", get("Context")),
    ];
    lines
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// The engine's details in docker's order and words; other components' as they come.
fn component_lines(component: &Value) -> Lines {
    let details = &component["Details"];
    let get = |key: &str| details[key].as_str().unwrap_or_default().to_owned();
    let version = component["Version"].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![("Version".to_owned(), version)];
    if component["Name"] == "Engine" {
        let api = format!(
            "{} (minimum version {})",
            get("ApiVersion"),
            get("MinAPIVersion")
        );
        let more = [
            ("API version", api),
            ("Go version", get("GoVersion")),
            ("Git commit", get("GitCommit")),
            ("Built", built(&get("BuildTime"))),
            ("OS/Arch", format!("{}/{}", get("Os"), get("Arch"))),
            ("Experimental", get("Experimental")),
        ];
        lines.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
        return lines;
    }
    let mut rest: Vec<(String, String)> = details
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    rest.sort();
    lines.extend(rest);
    lines
}

fn built(time: &str) -> String {
    match time.parse::<jiff::Timestamp>() {
        Ok(moment) => {
            let utc = jiff::Zoned::new(moment, jiff::tz::TimeZone::UTC);
            utc.strftime("%a %b %e %H:%M:%S %Y").to_string()
        }
        Err(_) => time.to_owned(),
    }
}
