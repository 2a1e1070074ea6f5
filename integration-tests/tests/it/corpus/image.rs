//! What is in images: one `save` of all, shown as text.
//!
//! Files are those that are not as the base image has them: name, kind, mode, owner, attributes and
//! contents; no times, which BuildKit does not clamp unless it is asked to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

type Blobs = BTreeMap<String, Vec<u8>>;
type Files = BTreeMap<String, String>;

/// Each image's text by its name.
pub(super) fn texts(archive: &Path, base: &str) -> BTreeMap<String, String> {
    let blobs = read(archive);
    let manifest: Value = serde_json::from_slice(&blobs["manifest.json"]).expect("JSON");
    let images = manifest.as_array().expect("a list");
    let is_base = |image: &&Value| tags(image).any(|tag| tag == base);
    let base_image = images.iter().find(is_base).expect("the base image");
    let under = files(base_image, &blobs);
    let base_config = config(base_image, &blobs);
    let history = base_config["history"].as_array().expect("a history").len();
    let mut texts = BTreeMap::new();
    for image in images.iter().filter(|image| !is_base(image)) {
        let config = config(image, &blobs);
        let is_on_base = config["rootfs"]["diff_ids"][0] == base_config["rootfs"]["diff_ids"][0];
        let empty = Files::new();
        let (under, skipped) = if is_on_base {
            (&under, history)
        } else {
            (&empty, 0)
        };
        let mut text = show(&config, skipped);
        let files = files(image, &blobs);
        for (path, shown) in &files {
            if under.get(path) != Some(shown) && !is_stub(path, shown) {
                let _ = writeln!(text, "{path} {shown}");
            }
        }
        for path in under.keys().filter(|path| !files.contains_key(*path)) {
            let _ = writeln!(text, "{path} gone");
        }
        for tag in tags(image) {
            texts.insert(tag.to_owned(), text.clone());
        }
    }
    texts
}

/// What stock's runtime leaves in an image without these directories, to mount something there; here
/// it is taken away again.
fn is_stub(path: &str, shown: &str) -> bool {
    ["dev", "proc", "sys"].contains(&path) && shown == "Directory 755 0:0"
}

/// The names of an image: what is the same is one image.
fn tags(image: &Value) -> impl Iterator<Item = &str> {
    let tags = image["RepoTags"].as_array().into_iter().flatten();
    tags.filter_map(Value::as_str)
}

/// The configuration's lines.
fn show(config: &Value, skipped: usize) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "created {}", config["created"]);
    let settings = sorted(&config["config"]);
    let settings = settings.as_object().into_iter().flatten();
    for (name, value) in settings.filter(|(_, value)| !is_nothing(value)) {
        let _ = writeln!(text, "config {name} {value}");
    }
    for line in config["history"]
        .as_array()
        .into_iter()
        .flatten()
        .skip(skipped)
    {
        let is_empty = line["empty_layer"] == true;
        let empty = if is_empty { " (empty)" } else { "" };
        let _ = writeln!(text, "history {}{empty}", line["created_by"]);
    }
    text
}

/// A value with all its fields in order of their names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields: BTreeMap<_, _> = map
                .iter()
                .map(|(name, value)| (name, sorted(value)))
                .collect();
            Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name.clone(), value))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// What one engine leaves out and another one writes.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Number(_) => false,
    }
}

fn config(image: &Value, blobs: &Blobs) -> Value {
    let name = image["Config"].as_str().expect("a configuration");
    serde_json::from_slice(&blobs[name]).expect("JSON")
}

/// The files of an image: its layers one on the other.
fn files(image: &Value, blobs: &Blobs) -> Files {
    let mut files = Files::new();
    for layer in image["Layers"].as_array().into_iter().flatten() {
        let name = layer.as_str().expect("a layer's name");
        let mut tar = tar::Archive::new(&blobs[name][..]);
        for entry in tar.entries().expect("entries") {
            apply(&mut entry.expect("an entry"), &mut files);
        }
    }
    files
}

/// Takes away what a whiteout hides: a name, or all that lies in a directory.
fn hide(parent: &str, hidden: &str, files: &mut Files) {
    let inside = |top: &str, path: &str| {
        top.is_empty()
            || path
                .strip_prefix(top)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    if hidden == ".wh..opq" {
        files.retain(|path, _| !inside(parent, path));
        return;
    }
    let gone = format!("{parent}/{hidden}");
    let gone = gone.trim_start_matches('/');
    files.retain(|path, _| path != gone && !inside(gone, path));
}

fn apply(entry: &mut tar::Entry<'_, &[u8]>, files: &mut Files) {
    let path = entry.path().expect("a path").display().to_string();
    let path = path
        .trim_start_matches("./")
        .trim_end_matches('/')
        .to_owned();
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
    if let Some(hidden) = name.strip_prefix(".wh.") {
        hide(parent, hidden, files);
        return;
    }
    if path.is_empty() {
        return;
    }
    let mut attributes = String::new();
    for extension in entry
        .pax_extensions()
        .expect("extensions")
        .into_iter()
        .flatten()
    {
        let extension = extension.expect("an extension");
        let name = extension.key().expect("a name");
        if name.starts_with("SCHILY.xattr.") {
            let _ = write!(attributes, " {name}={:?}", extension.value_bytes());
        }
    }
    let kind = entry.header().entry_type();
    let link = entry
        .link_name()
        .expect("a link")
        .map(|to| to.display().to_string());
    let shown = match (kind, link) {
        (tar::EntryType::Link, Some(to)) => files
            .get(to.trim_start_matches(['.', '/']))
            .cloned()
            .expect("what it is a name of"),
        (kind, link) => {
            let header = entry.header();
            let (mode, uid, gid) = (
                header.mode().expect("a mode") & 0o7777,
                // The base archive leaves out who is root.
                header.uid().unwrap_or(0),
                header.gid().unwrap_or(0),
            );
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("contents");
            let contents = match (kind, link) {
                (tar::EntryType::Symlink, Some(to)) => format!("-> {to}"),
                (tar::EntryType::Regular, _) if bytes.len() > 400 => {
                    format!("{} bytes", bytes.len())
                }
                (tar::EntryType::Regular, _) => format!("{:?}", String::from_utf8_lossy(&bytes)),
                _ => String::new(),
            };
            format!("{kind:?} {mode:o} {uid}:{gid}{attributes} {contents}")
                .trim_end()
                .to_owned()
        }
    };
    files.insert(path, shown);
}

/// The files of an archive.
fn read(archive: &Path) -> Blobs {
    let file = std::fs::File::open(archive).expect("an archive");
    let mut tar = tar::Archive::new(std::io::BufReader::new(file));
    let entries = tar.entries().expect("entries");
    entries
        .map(|entry| {
            let mut entry = entry.expect("an entry");
            let name = entry.path().expect("a path").display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("contents");
            (name, bytes)
        })
        .collect()
}
