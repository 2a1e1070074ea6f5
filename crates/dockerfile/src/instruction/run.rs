//! `RUN`: the command, and flags that are checked in full only when variables are known.

use super::{Outcome, Request, command_line};
use crate::ast::{Device, MountText, Network, Run, Security};
use crate::csv;
use crate::error::Syntax;

const FLAGS: [&str; 4] = ["device", "mount", "network", "security"];

impl Request<'_> {
    pub(super) fn run(&mut self) -> Outcome<Run> {
        self.flags.finish(&FLAGS)?;
        let network = match self.flags.text("network")?.as_deref() {
            None | Some("" | "default") => Network::Default,
            Some("none") => Network::None,
            Some("host") => Network::Host,
            Some(other) => return Err(Syntax::Network(other.to_owned()).into()),
        };
        let security = match self.flags.text("security")?.as_deref() {
            None | Some("" | "sandbox") => Security::Sandbox,
            Some("insecure") => Security::Insecure,
            Some(other) => return Err(Syntax::Security(other.to_owned()).into()),
        };
        let mut mounts = Vec::new();
        for (text, span) in self.flags.texts("mount")? {
            let from = from_of(&text)?;
            mounts.push(MountText { text, from, span });
        }
        let mut devices = Vec::new();
        for (text, _) in self.flags.texts("device")? {
            devices.push(device(&text)?);
        }
        Ok(Run {
            command: command_line(self.rest)?,
            documents: self.statement.heredocs.clone(),
            mounts,
            network,
            security,
            devices,
        })
    }
}

/// The `from` of a mount, which stages depend on: it must be known before variables are.
fn from_of(text: &str) -> Outcome<Option<String>> {
    let fields = csv::fields(text).unwrap_or_default();
    let mut from = None;
    for field in &fields {
        let Some((key, value)) = field.split_once('=') else {
            continue;
        };
        if !key.eq_ignore_ascii_case("from") {
            continue;
        }
        if value.find('$').is_some_and(|at| at + 1 < value.len()) {
            return Err(Syntax::MountFromVariable("from").into());
        }
        from = Some(value.to_owned());
    }
    Ok(from)
}

fn device(text: &str) -> Outcome<Device> {
    if text.is_empty() {
        return Err(Syntax::Devices("EOF".to_owned()).into());
    }
    let fields = csv::fields(text).map_err(Syntax::Devices)?;
    let mut device = Device {
        name: String::new(),
        required: false,
    };
    for field in fields {
        match field.split_once('=') {
            None if field.eq_ignore_ascii_case("required") => device.required = true,
            None => device.name = field,
            Some(("name", name)) => name.clone_into(&mut device.name),
            Some(("required", value)) => {
                device.required = csv::boolean(value).ok_or_else(|| {
                    Syntax::Device(format!("invalid value for required: {value}"))
                })?;
            }
            // A device's name holds an equals sign itself: `vendor.com/class=name`.
            Some((kind, _)) if kind.contains('/') && device.name.is_empty() => device.name = field,
            Some((key, _)) => {
                let text = format!("unexpected key '{key}' in '{field}'");
                return Err(Syntax::Device(text).into());
            }
        }
    }
    Ok(device)
}
