//! `gantry images --tree`: images with their platforms and layers, and who shares them.

use std::collections::HashMap;

use anyhow::Result;
use serde_json::Value;

use super::explain::{bytes, short, table};
use crate::context::Context;

/// Prints images as the engine listed them with `manifests` and `layers`.
pub(super) fn print(cx: &Context, images: &[Value]) -> Result<()> {
    let mut users: HashMap<&str, usize> = HashMap::new();
    for layer in images.iter().flat_map(|image| list(image, "Layers")) {
        *users
            .entry(layer["Chain"].as_str().unwrap_or_default())
            .or_default() += 1;
    }
    let mut rows = vec![
        ["IMAGE", "ID", "SIZE", "SHARED"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for image in images {
        rows.extend(tree(image, &users));
    }
    Ok(cx.printer.raw(table(&rows).as_bytes())?)
}

fn tree(image: &Value, users: &HashMap<&str, usize>) -> Vec<Vec<String>> {
    let names: Vec<&str> = list(image, "RepoTags").filter_map(Value::as_str).collect();
    let name = match names.is_empty() {
        true => "<untagged>".to_owned(),
        false => names.join(", "),
    };
    let mut rows = vec![vec![
        name,
        short(&image["Id"]).to_owned(),
        bytes(&image["Size"]),
        String::new(),
    ]];
    let platforms = list(image, "Manifests").filter(|one| one["Kind"] == "image");
    let platforms: Vec<&Value> = platforms.collect();
    let layers: Vec<&Value> = list(image, "Layers").collect();
    if platforms.len() > 1 {
        for one in platforms {
            rows.push(branch(false, platform(one)));
        }
    }
    for (number, layer) in layers.iter().enumerate() {
        let others = users
            .get(layer["Chain"].as_str().unwrap_or_default())
            .map_or(0, |all| all - 1);
        let shared = match others {
            0 => String::new(),
            1 => "with 1 image".to_owned(),
            more => format!("with {more} images"),
        };
        let cells = [
            format!("layer {number}"),
            short(&layer["Chain"]).to_owned(),
            bytes(&layer["Size"]),
            shared,
        ];
        rows.push(branch(number + 1 == layers.len(), cells));
    }
    rows
}

/// A platform of an image: what is not here has no size.
fn platform(one: &Value) -> [String; 4] {
    let platform = &one["ImageData"]["Platform"];
    let word = |key: &str| platform[key].as_str().unwrap_or_default().to_owned();
    let mut name = format!("{}/{}", word("os"), word("architecture"));
    if !word("variant").is_empty() {
        name = format!("{name}/{}", word("variant"));
    }
    let size = match one["Available"] == true {
        true => bytes(&one["Size"]["Total"]),
        false => "not here".to_owned(),
    };
    [name, short(&one["ID"]).to_owned(), size, String::new()]
}

fn branch(is_last: bool, [first, rest @ ..]: [String; 4]) -> Vec<String> {
    let bough = if is_last { "└─ " } else { "├─ " };
    let mut row = vec![format!("{bough}{first}")];
    row.extend(rest);
    row
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}
