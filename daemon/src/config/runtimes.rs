//! The OCI runtimes: `--add-runtime NAME=PATH`, and in the file
//! `{"NAME": {"path": …, "runtimeArgs": […], "options": {…}}}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::build::{DEFAULT_RUNTIME, invalid};
use super::merge::Values;
use super::{ConfigError, RuntimeEntry, RuntimeOptions};

/// The one type of runtime there is: a program with runc's command line, beneath our shim.
const OWN_TYPE: &str = "io.containerd.lite.v2";

pub(super) fn build(values: &Values) -> Result<BTreeMap<String, RuntimeEntry>, ConfigError> {
    let own = RuntimeEntry {
        path: "runc-lite".to_owned(),
        args: Vec::new(),
        options: RuntimeOptions::default(),
    };
    let mut runtimes = BTreeMap::from([(DEFAULT_RUNTIME.to_owned(), own)]);
    let given = values.get("add-runtime").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        let wrong = |why: &str| invalid("add-runtime", format!("{name}: {why}"));
        if name == DEFAULT_RUNTIME {
            return Err(invalid("add-runtime", "runtime name 'runc' is reserved"));
        }
        let entry = match value {
            Value::String(path) => RuntimeEntry {
                path: path.clone(),
                args: Vec::new(),
                options: RuntimeOptions::default(),
            },
            Value::Object(fields) => of_file(fields).map_err(|why| wrong(&why))?,
            _ => return Err(wrong("expected NAME=PATH")),
        };
        if name.is_empty() || entry.path.is_empty() {
            return Err(wrong("expected NAME=PATH"));
        }
        runtimes.insert(name.clone(), entry);
    }
    Ok(runtimes)
}

/// A runtime of the file; every field that is not known is an error.
fn of_file(fields: &Map<String, Value>) -> Result<RuntimeEntry, String> {
    let mut entry = RuntimeEntry {
        path: String::new(),
        args: Vec::new(),
        options: RuntimeOptions::default(),
    };
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("path", Value::String(path)) => entry.path.clone_from(path),
            ("runtimeType", Value::String(kind)) if kind.is_empty() || kind == OWN_TYPE => {}
            ("runtimeType", Value::String(kind)) => {
                return Err(format!(
                    "runtime type {kind} is not built yet in Gantry: only {OWN_TYPE}"
                ));
            }
            ("runtimeArgs", Value::Array(texts)) => {
                let text = |value: &Value| value.as_str().map(str::to_owned);
                let texts: Option<_> = texts.iter().map(text).collect();
                entry.args = texts.ok_or("runtimeArgs: expected a list of texts")?;
            }
            ("options", Value::Object(options)) => option_fields(options, &mut entry)?,
            ("path" | "runtimeType" | "runtimeArgs" | "options", _) => {
                return Err(format!("{key}: a value of another type was expected"));
            }
            _ => return Err(format!("unknown field {key}")),
        }
    }
    Ok(entry)
}

/// `options`, under containerd's names (`runc.v1.Options`).
fn option_fields(options: &Map<String, Value>, entry: &mut RuntimeEntry) -> Result<(), String> {
    for (key, value) in options {
        match (key.as_str(), value) {
            ("BinaryName", Value::String(path)) if entry.path.is_empty() => {
                entry.path.clone_from(path);
            }
            ("BinaryName", Value::String(path)) if *path == entry.path => {}
            ("BinaryName", Value::String(_)) => {
                return Err("path and options.BinaryName name different programs".to_owned());
            }
            ("Root", Value::String(root)) => entry.options.root = Some(root.clone()),
            ("NoPivotRoot", Value::Bool(flag)) => entry.options.no_pivot_root = *flag,
            ("NoNewKeyring", Value::Bool(flag)) => entry.options.no_new_keyring = *flag,
            // The cgroup driver is the engine's, for all containers.
            ("SystemdCgroup", Value::Bool(false)) => {}
            _ => {
                return Err(format!(
                    "option {key} is not supported with this value: {value}"
                ));
            }
        }
    }
    Ok(())
}
