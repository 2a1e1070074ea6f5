//! `--verify`: where two images differ that the same build has given.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tar::{Archive, Entry, Header};

use crate::client::Call;

/// How much of two files is compared at once, bytes.
const PIECE_BYTES: usize = 64 << 10;

/// An image that an engine has saved, in a file that nobody else sees.
pub(super) struct Saved {
    file: File,
    /// Where each part lies in it, and its length.
    parts: BTreeMap<String, (u64, u64)>,
}

impl Saved {
    /// Receives the answer of `GET /images/get`.
    pub(super) async fn receive(call: Call<'_>) -> Result<Self> {
        let name = format!(".gantry-verify-{}", gantry_ids::ContainerId::generate());
        let path = std::env::temp_dir().join(name);
        let open = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path);
        let mut file = open.with_context(|| format!("create {}", path.display()))?;
        fs::remove_file(&path)?;
        let mut reply = call.send().await?;
        while let Some(chunk) = reply.chunk().await? {
            file.write_all(&chunk)?;
        }
        Self::read(file)
    }

    fn read(mut file: File) -> Result<Self> {
        file.rewind()?;
        let mut parts = BTreeMap::new();
        for entry in Archive::new(&file).entries_with_seek()? {
            let entry = entry?;
            let place = (entry.raw_file_position(), entry.size());
            parts.insert(entry.path()?.to_string_lossy().into_owned(), place);
        }
        Ok(Self { file, parts })
    }

    fn part(&self, name: &str) -> Result<impl Read + '_> {
        let place = self.parts.get(name);
        let (at, length) = place.with_context(|| format!("the engine's archive has no {name}"))?;
        (&self.file).seek(SeekFrom::Start(*at))?;
        Ok((&self.file).take(*length))
    }

    fn json(&self, name: &str) -> Result<Value> {
        Ok(serde_json::from_reader(self.part(name)?)?)
    }

    /// The configuration and the names of the layers, the lowest first.
    fn manifest(&self) -> Result<(Value, Vec<String>)> {
        let manifest = self.json("manifest.json")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let layers = manifest[0]["Layers"].as_array();
        let layers = layers.map(|list| list.iter().map(text).collect());
        Ok((
            self.json(&text(&manifest[0]["Config"]))?,
            layers.unwrap_or_default(),
        ))
    }
}

/// What is different first, for people; none if nothing is.
pub(super) fn difference(one: &Saved, other: &Saved) -> Result<Option<String>> {
    let ((config, layers), (config_of_other, layers_of_other)) =
        (one.manifest()?, other.manifest()?);
    for (number, (layer, of_other)) in layers.iter().zip(&layers_of_other).enumerate() {
        let (mut layer, mut of_other) = (
            Archive::new(one.part(layer)?),
            Archive::new(other.part(of_other)?),
        );
        if let Some(found) = in_layers(&mut layer, &mut of_other)? {
            let step = step_of(&config, number);
            return Ok(Some(format!("{found} (made by {step})")));
        }
    }
    if layers.len() != layers_of_other.len() {
        return Ok(Some("the number of layers differs".to_owned()));
    }
    let fields = config.as_object().into_iter().flatten();
    let mut unequal = fields.filter(|(name, value)| config_of_other[name.as_str()] != **value);
    Ok(unequal
        .next()
        .map(|(name, _)| format!("{name} of the image's configuration differs")))
}

/// The instruction that made a layer.
fn step_of(config: &Value, layer: usize) -> String {
    let history = config["history"].as_array().into_iter().flatten();
    let mut made = history.filter(|step| step["empty_layer"] != true);
    let step = made.nth(layer).map(|step| &step["created_by"]);
    step.and_then(Value::as_str)
        .map_or_else(|| format!("layer {}", layer + 1), str::to_owned)
}

fn in_layers<R: Read, S: Read>(
    one: &mut Archive<R>,
    other: &mut Archive<S>,
) -> Result<Option<String>> {
    let (mut one, mut other) = (one.entries()?, other.entries()?);
    loop {
        let (mut left, mut right) = match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(None),
            (Some(only), None) => {
                return Ok(Some(format!("{} is in one build alone", shown(&only))));
            }
            (None, Some(only)) => {
                return Ok(Some(format!("{} is in one build alone", shown(&only))));
            }
            (Some(left), Some(right)) => (left, right),
        };
        if left.path_bytes() != right.path_bytes() {
            // Both are in the order of names.
            let first = shown(&left).min(shown(&right));
            return Ok(Some(format!("{first} is in one build alone")));
        }
        if let Some(what) = in_entries(&mut left, &mut right)? {
            return Ok(Some(format!("{} differs in its {what}", shown(&left))));
        }
    }
}

fn shown<R: Read>(entry: &Entry<'_, R>) -> String {
    let path = entry.path_bytes();
    format!(
        "/{}",
        String::from_utf8_lossy(&path).trim_start_matches("./")
    )
}

/// What two files of one name do not share.
fn in_entries<R: Read, S: Read>(
    one: &mut Entry<'_, R>,
    other: &mut Entry<'_, S>,
) -> Result<Option<&'static str>> {
    let (left, right) = (one.header(), other.header());
    let is_other = [
        ("kind", left.entry_type() != right.entry_type()),
        ("mode", left.mode().ok() != right.mode().ok()),
        ("owner", owner(left) != owner(right)),
        ("target", one.link_name_bytes() != other.link_name_bytes()),
        ("size", one.size() != other.size()),
    ];
    if let Some((what, _)) = is_other.into_iter().find(|(_, is_other)| *is_other) {
        return Ok(Some(what));
    }
    let is_time_other = one.header().mtime().ok() != other.header().mtime().ok();
    let is_further_other = extensions(one)? != extensions(other)?;
    if !is_same(one, other)? {
        return Ok(Some("contents"));
    }
    if is_time_other {
        return Ok(Some("time"));
    }
    Ok(is_further_other.then_some("time or attributes"))
}

/// User and group; archives may leave out either.
fn owner(header: &Header) -> [Option<u64>; 2] {
    [header.uid().ok(), header.gid().ok()]
}

fn extensions<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let Some(all) = entry.pax_extensions()? else {
        return Ok(Vec::new());
    };
    let each = all.map(|one| one.map(|one| (one.key_bytes().to_vec(), one.value_bytes().to_vec())));
    Ok(each.collect::<Result<_, _>>()?)
}

/// Whether two readers of the same length have the same bytes.
fn is_same(one: &mut impl Read, other: &mut impl Read) -> Result<bool> {
    let (mut left, mut right) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    loop {
        let length = one.read(&mut left)?;
        if length == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..length])?;
        if left[..length] != right[..length] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use tar::Builder;

    use super::*;

    type Made = (&'static str, u32, u64, &'static str);

    fn layer(files: &[Made]) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        for (name, mode, time, text) in files {
            let mut header = Header::new_gnu();
            header.set_mode(*mode);
            header.set_mtime(*time);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn the_first_file_that_differs_is_named() {
        let base: &[Made] = &[("a", 0o644, 1, "text"), ("b", 0o644, 1, "")];
        let table: [(&[Made], Option<&str>); 6] = [
            (base, None),
            (
                &[("a", 0o644, 1, "tent"), ("b", 0o755, 1, "")],
                Some("/a differs in its contents"),
            ),
            (
                &[("a", 0o644, 1, "text"), ("b", 0o755, 1, "")],
                Some("/b differs in its mode"),
            ),
            (
                &[("a", 0o644, 2, "text"), ("b", 0o644, 1, "")],
                Some("/a differs in its time"),
            ),
            (&[("b", 0o644, 1, "")], Some("/a is in one build alone")),
            (&[("a", 0o644, 1, "text")], Some("/b is in one build alone")),
        ];
        for (other, said) in table {
            let (one, other) = (layer(base), layer(other));
            let (mut one, mut other) = (Archive::new(&*one), Archive::new(&*other));
            assert_eq!(in_layers(&mut one, &mut other).unwrap().as_deref(), said);
        }
    }
}
