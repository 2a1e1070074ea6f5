//! Archives of both formats, made file by file, sound or not.

use std::collections::BTreeMap;

use gantry_ids::Digest;
use gantry_image::ImageStore;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A store in a directory of its own.
pub(crate) struct TestStore {
    pub(crate) images: ImageStore,
    pub(crate) root: TempDir,
}

impl TestStore {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self {
            images: ImageStore::open(&root.path().join("image")).unwrap(),
            root,
        }
    }

    /// Closes the store and opens it again, as a restart does.
    pub(crate) fn reopen(self) -> Self {
        drop(self.images);
        Self {
            images: ImageStore::open(&self.root.path().join("image")).unwrap(),
            root: self.root,
        }
    }

    pub(crate) fn load(&self, archive: &[u8]) -> Vec<String> {
        let loaded = self.images.load(&mut &*archive, &mut |_| ()).unwrap();
        loaded.iter().map(gantry_image::Loaded::message).collect()
    }

    /// The error, with its causes, of an archive that must be refused; proves that nothing is left.
    pub(crate) fn refuse(&self, archive: &[u8]) -> String {
        let before = (self.images.list().len(), self.images.layers_now());
        let error = self.images.load(&mut &*archive, &mut |_| ()).unwrap_err();
        assert_eq!((self.images.list().len(), self.images.layers_now()), before);
        gantry_errors::chain(&error).to_string()
    }
}

/// How many layers a store has.
pub(crate) trait LayersNow {
    fn layers_now(&self) -> usize;
}

impl LayersNow for ImageStore {
    fn layers_now(&self) -> usize {
        use gantry_layer::LayerStore;
        self.layers().list().len()
    }
}

/// A tar of plain files.
pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A layer with one file.
pub(crate) fn layer(name: &str) -> Vec<u8> {
    tar_of(&[(name, name.as_bytes())])
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A configuration for these layers.
pub(crate) fn config(layers: &[Vec<u8>]) -> Value {
    let diffs: Vec<_> = layers
        .iter()
        .map(|layer| Digest::of(layer).to_string())
        .collect();
    json!({
        "architecture": "amd64", "os": "linux", "created": "2024-01-02T03:04:05.000000006Z",
        "config": {"Env": ["A=b"], "Cmd": ["sh"], "Labels": {"who": "me"}},
        "rootfs": {"type": "layers", "diff_ids": diffs},
        "history": layers.iter().map(|_| json!({"created_by": "step"})).collect::<Vec<_>>(),
    })
}

/// Configuration, layers and tags of an image.
type Parts<'a> = (Value, &'a [Vec<u8>], &'a [&'a str]);

/// A docker-archive of images.
pub(crate) fn docker(images: &[Parts<'_>]) -> Vec<u8> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut manifest = Vec::new();
    for (config, layers, tags) in images {
        let raw = serde_json::to_vec(config).unwrap();
        let config = format!("{}.json", Digest::of(&raw).hex());
        files.insert(config.clone(), raw);
        let mut paths = Vec::new();
        for layer in *layers {
            let path = format!("{}/layer.tar", Digest::of(layer).hex());
            files.insert(path.clone(), layer.clone());
            paths.push(path);
        }
        manifest.push(json!({"Config": config, "RepoTags": tags, "Layers": paths}));
    }
    files.insert(
        "manifest.json".to_owned(),
        serde_json::to_vec(&manifest).unwrap(),
    );
    archive(&files)
}

pub(crate) fn archive(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let files: Vec<_> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), &**bytes))
        .collect();
    tar_of(&files)
}

/// An OCI layout being made.
#[derive(Default)]
pub(crate) struct Layout {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) manifests: Vec<Value>,
}

impl Layout {
    /// Adds a blob and gives its descriptor.
    pub(crate) fn blob(&mut self, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        self.files
            .insert(format!("blobs/sha256/{}", digest.hex()), bytes.to_vec());
        json!({"digest": digest.to_string(), "size": bytes.len(), "mediaType": "any"})
    }

    /// Adds an image whose layers are compressed, and gives its manifest's descriptor.
    pub(crate) fn image(&mut self, config: &Value, layers: &[Vec<u8>]) -> Value {
        let config = self.blob(&serde_json::to_vec(config).unwrap());
        let layers: Vec<_> = layers.iter().map(|layer| self.blob(&gzip(layer))).collect();
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers});
        self.blob(&serde_json::to_vec(&manifest).unwrap())
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let index = json!({"schemaVersion": 2, "manifests": self.manifests});
        self.files
            .insert("index.json".to_owned(), serde_json::to_vec(&index).unwrap());
        let version = br#"{"imageLayoutVersion":"1.0.0"}"#;
        self.files.insert("oci-layout".to_owned(), version.to_vec());
        archive(&self.files)
    }
}

/// The descriptor with more said about it.
pub(crate) fn with(mut descriptor: Value, key: &str, value: Value) -> Value {
    descriptor[key] = value;
    descriptor
}
