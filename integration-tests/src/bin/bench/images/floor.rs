//! What a pull could take at best: the blobs by curl, two at once, each through both digests and the inflate
//! that we use, to one file, on the disk.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;

use integration_tests::Engine;
use sha2::{Digest, Sha256};

use super::REGISTRY;

/// Fetches `image` to files beside `place`.
pub(super) fn fetch_all(engine: &Engine, image: &str, place: &Path) {
    let path = image.trim_start_matches(REGISTRY);
    let (path, tag) = path.rsplit_once(':').expect("a tag");
    let base = format!("http://{REGISTRY}/v2{path}");
    let mut ask = engine.on_host("curl");
    let accept = "Accept: application/vnd.docker.distribution.manifest.v2+json";
    ask.args(["-s", "-H", accept, &format!("{base}/manifests/{tag}")]);
    let manifest = ask.output().expect("curl runs").stdout;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("a manifest");
    let layers = manifest["layers"].as_array().expect("layers");
    let digests: Vec<_> = layers
        .iter()
        .map(|layer| layer["digest"].as_str().expect("a digest"))
        .collect();
    for two in digests.chunks(2) {
        std::thread::scope(|scope| {
            for digest in two {
                let url = format!("{base}/blobs/{digest}");
                let file = place.join(digest);
                scope.spawn(move || fetch(engine, &url, &file));
            }
        });
    }
}

fn fetch(engine: &Engine, url: &str, place: &Path) {
    let mut curl = engine.on_host("curl");
    let mut child = curl
        .args(["-s", url])
        .stdout(Stdio::piped())
        .spawn()
        .expect("curl starts");
    let source = child.stdout.take().expect("a pipe");
    let source = std::io::BufReader::with_capacity(256 << 10, Hashing::new(source));
    let mut inflate = flate2::bufread::GzDecoder::new(source);
    let mut file = File::create(place).expect("a file");
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 256 << 10]);
    loop {
        let len = inflate.read(&mut buffer).expect("a layer");
        if len == 0 {
            break;
        }
        hash.update(&buffer[..len]);
        file.write_all(&buffer[..len]).expect("it is written");
    }
    let packed = inflate.into_inner().into_inner().hash;
    std::hint::black_box((hash.finalize(), packed.finalize()));
    file.sync_all().expect("it is synced");
    assert!(child.wait().expect("curl ends").success());
}

struct Hashing<R> {
    source: R,
    hash: Sha256,
}

impl<R> Hashing<R> {
    fn new(source: R) -> Self {
        let hash = Sha256::new();
        Self { source, hash }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.source.read(buffer)?;
        self.hash.update(&buffer[..len]);
        Ok(len)
    }
}
