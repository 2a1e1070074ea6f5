//! Engine data inside a Go template.
//!
//! The template engine keeps maps sorted and knows no structs. Here each object is remembered by
//! the identity of its map, so that `{{json .}}` prints the engine's own order, and `{{.State}}`
//! prints `{running true …}` where docker's client has a struct and `map[a:b]` where it has a map.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gotmpl::Value as Cell;
use serde_json::{Number, Value};

/// Objects that are maps in docker's own types, by the key that holds them.
const MAPS: [&str; 20] = [
    "Annotations",
    "AuxAddress",
    "Config",
    "ContainerLabels",
    "Containers",
    "Data",
    "DriverOpts",
    "ExposedPorts",
    "Labels",
    "Networks",
    "Opts",
    "Options",
    "PortBindings",
    "Ports",
    "Runtimes",
    "Status",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];

/// Lists that the API sends as null when they are empty; Go prints them as `[]`.
const LISTS: [&str; 17] = [
    "Aliases",
    "Authorization",
    "Binds",
    "CapAdd",
    "CapDrop",
    "Cmd",
    "DNSNames",
    "Devices",
    "Dns",
    "Entrypoint",
    "Env",
    "ExecIDs",
    "ExtraHosts",
    "GroupAdd",
    "Links",
    "SecurityOpt",
    "VolumesFrom",
];

/// The objects of one execution, by the address of their map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    objects: HashMap<usize, Object>,
    /// Keeps the addresses taken.
    alive: Vec<Cell>,
}

#[derive(Clone, Debug)]
struct Object {
    keys: Vec<String>,
    /// Keys whose value is null, also where it is printed as an empty list.
    nulls: Vec<String>,
    is_map: bool,
}

impl Memory {
    /// Moves engine data into the template's world.
    pub(crate) fn take(&mut self, value: &Value) -> Cell {
        self.convert(value, "", false)
    }

    fn convert(&mut self, value: &Value, key: &str, in_map: bool) -> Cell {
        match value {
            Value::Null if LISTS.contains(&key) || (in_map && key.contains('/')) => {
                Cell::List(Arc::from([]))
            }
            Value::Null => Cell::Nil,
            Value::Bool(flag) => Cell::Bool(*flag),
            Value::Number(number) => convert_number(number),
            Value::String(text) => Cell::String(text.as_str().into()),
            Value::Array(items) => Cell::List(
                items
                    .iter()
                    .map(|item| self.convert(item, "", false))
                    .collect(),
            ),
            Value::Object(fields) => {
                // `LogConfig.Config` is a map, the container's `Config` a struct with an Image.
                let is_container = key == "Config" && fields.contains_key("Image");
                let is_map = !in_map && !is_container && MAPS.contains(&key);
                let mut map: BTreeMap<Arc<str>, Cell> = fields
                    .iter()
                    .map(|(key, value)| (key.as_str().into(), self.convert(value, key, is_map)))
                    .collect();
                if !is_map {
                    for name in omitted(key) {
                        map.entry((*name).into()).or_insert(Cell::Nil);
                    }
                    if fields.contains_key("Action") && fields.contains_key("Actor") {
                        // An event says these only where clients of old API versions ask.
                        for name in ["Status", "ID", "From"] {
                            if !fields.contains_key(&name.to_lowercase()) {
                                map.insert(name.into(), Cell::String("".into()));
                            }
                        }
                    }
                    for (json, go) in fields.keys().filter_map(|key| Some((key, go_name(key)?))) {
                        if let Some(value) = map.get(json.as_str()).cloned() {
                            map.entry(go.into()).or_insert(value);
                        }
                    }
                }
                let map = Arc::new(map);
                let object = Object {
                    keys: fields.keys().cloned().collect(),
                    nulls: fields
                        .iter()
                        .filter(|(_, value)| value.is_null())
                        .map(|(key, _)| key.clone())
                        .collect(),
                    is_map,
                };
                self.objects.insert(Arc::as_ptr(&map).addr(), object);
                self.alive.push(Cell::Map(Arc::clone(&map)));
                Cell::Map(map)
            }
        }
    }

    /// Whether a value is an object with a fixed set of fields.
    pub(crate) fn is_struct(&self, cell: &Cell) -> bool {
        let Cell::Map(map) = cell else { return false };
        self.objects
            .get(&Arc::as_ptr(map).addr())
            .is_some_and(|object| !object.is_map)
    }

    /// The engine's JSON of a value, in the engine's order.
    pub(crate) fn json(&self, cell: &Cell) -> Value {
        match cell {
            Cell::Nil => Value::Null,
            Cell::Bool(flag) => Value::Bool(*flag),
            Cell::Int(number) => (*number).into(),
            Cell::Uint(number) => (*number).into(),
            Cell::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
            Cell::String(text) => Value::String(text.to_string()),
            Cell::List(items) => items.iter().map(|item| self.json(item)).collect(),
            Cell::Map(map) => match self.objects.get(&Arc::as_ptr(map).addr()) {
                Some(object) => object
                    .keys
                    .iter()
                    .filter_map(|key| {
                        let value = map.get(key.as_str())?;
                        let null = object.nulls.contains(key);
                        Some((
                            key.clone(),
                            if null { Value::Null } else { self.json(value) },
                        ))
                    })
                    .collect(),
                None => map
                    .iter()
                    .map(|(key, value)| (key.to_string(), self.json(value)))
                    .collect(),
            },
            other => Value::String(other.to_string()),
        }
    }

    /// A value as Go prints it.
    pub(crate) fn print(&self, cell: &Cell) -> String {
        match cell {
            Cell::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.nested(item)).collect();
                format!("[{}]", items.join(" "))
            }
            Cell::Map(map) => match self.objects.get(&Arc::as_ptr(map).addr()) {
                Some(object) if !object.is_map => {
                    let fields = object.keys.iter().filter_map(|key| map.get(key.as_str()));
                    let fields: Vec<String> = fields.map(|field| self.nested(field)).collect();
                    format!("{{{}}}", fields.join(" "))
                }
                _ => {
                    let fields = map
                        .iter()
                        .map(|(key, field)| format!("{key}:{}", self.nested(field)));
                    format!("map[{}]", fields.collect::<Vec<_>>().join(" "))
                }
            },
            other => other.to_string(),
        }
    }

    fn nested(&self, cell: &Cell) -> String {
        match cell {
            Cell::Nil => "<nil>".to_owned(),
            other => self.print(other),
        }
    }
}

/// Fields that the API leaves out when they are empty, and that templates ask for all the same
/// (`{{if .State.Health}}`).
fn omitted(key: &str) -> &'static [&'static str] {
    match key {
        "State" => &["Health"],
        "Config" => &[
            "ExposedPorts",
            "Healthcheck",
            "Shell",
            "StopSignal",
            "StopTimeout",
        ],
        "HostConfig" => &[
            "Annotations",
            "Init",
            "Mounts",
            "StorageOpt",
            "Sysctls",
            "Tmpfs",
        ],
        _ => &[],
    }
}

/// The name of a field in docker's Go types, where its JSON name is another: templates may use
/// either.
fn go_name(json: &str) -> Option<String> {
    match json {
        "Id" | "id" => Some("ID".to_owned()),
        "ApiVersion" => Some("APIVersion".to_owned()),
        _ if json.starts_with(|c: char| c.is_ascii_lowercase()) => {
            let (first, rest) = json.split_at(1);
            Some(format!("{}{rest}", first.to_ascii_uppercase()))
        }
        _ => None,
    }
}

fn convert_number(number: &Number) -> Cell {
    match (number.as_i64(), number.as_u64()) {
        (Some(number), _) => Cell::Int(number),
        (None, Some(number)) => Cell::Uint(number),
        (None, None) => Cell::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}
