//! What images are made of: pieces of the stock engines' own programs, which shrink as programs do.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use integration_tests::programs;
use sha2::{Digest, Sha256};

/// Bytes of programs to cut files from; pieces that begin elsewhere differ.
pub(super) struct Contents(Vec<u8>);

impl Contents {
    pub(super) fn read() -> Self {
        let names = ["dockerd", "containerd", "podman", "docker", "skopeo"];
        let read = |name| std::fs::read(programs::stock(name)).expect("a program can be read");
        Self(names.into_iter().flat_map(read).collect())
    }

    /// `len` bytes that no other `seed` gives.
    fn piece(&self, seed: u64, len: usize) -> impl Iterator<Item = &[u8]> {
        let all = &self.0;
        let step = usize::try_from(seed).expect("small") * 7_368_787;
        let (mut at, mut left) = (step % all.len(), len);
        std::iter::from_fn(move || {
            let piece = &all[at..all.len().min(at + left)];
            at = 0;
            left -= piece.len();
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// A layer of one file.
    pub(super) fn one_file(&self, seed: u64, len: usize) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::with_capacity(len + 4096));
        self.append(&mut tar, "program", (seed, len));
        tar.into_inner().expect("into memory")
    }

    /// A layer of 20,000 files of 4 kB in 200 directories.
    pub(super) fn small_files(&self, seed: u64) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for n in 0..20_000 {
            let name = format!("d{}/f{n}", n / 100);
            self.append(&mut tar, &name, (seed * 20_000 + n, 4096));
        }
        tar.into_inner().expect("into memory")
    }

    fn append(&self, tar: &mut tar::Builder<Vec<u8>>, name: &str, (seed, len): (u64, usize)) {
        let mut header = tar::Header::new_ustar();
        let mut content = Vec::with_capacity(len + 8);
        content.extend_from_slice(&seed.to_le_bytes());
        for piece in self.piece(seed, len - content.len()) {
            content.extend_from_slice(piece);
        }
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_mtime(1_500_000_000);
        tar.append_data(&mut header, name, &*content)
            .expect("a file");
    }
}

/// Writes a docker-archive of one image.
pub(super) fn archive(file: &Path, name: &str, layers: &[Vec<u8>]) {
    let digests: Vec<_> = layers.iter().map(|layer| hex(layer)).collect();
    let diffs: Vec<_> = digests
        .iter()
        .map(|digest| format!("sha256:{digest}"))
        .collect();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = serde_json::json!({"architecture": architecture, "os": "linux",
        "config": {"Cmd": ["/program"]}, "rootfs": {"type": "layers", "diff_ids": diffs}});
    let paths: Vec<_> = digests
        .iter()
        .map(|digest| format!("{digest}/layer.tar"))
        .collect();
    let manifest =
        serde_json::json!([{"Config": "config.json", "RepoTags": [name], "Layers": paths}]);
    let file = BufWriter::new(File::create(file).expect("an archive"));
    let mut tar = tar::Builder::new(file);
    let mut add = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, content).expect("a file");
    };
    for (path, layer) in paths.iter().zip(layers) {
        add(path, layer);
    }
    add("config.json", config.to_string().as_bytes());
    add("manifest.json", manifest.to_string().as_bytes());
    let mut file = tar.into_inner().expect("an archive");
    file.flush().expect("an archive");
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
