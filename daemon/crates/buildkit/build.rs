//! Generates the messages, clients and servers from `proto/*.proto`, without a `protoc`.

use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut files: Vec<PathBuf> = std::fs::read_dir("proto")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut config = tonic_prost_build::Config::new();
    config.btree_map(["."]);
    // File contents are passed on, not copied.
    config.bytes([
        ".containerd.services.content.v1",
        ".moby.filesync.v1",
        ".fsutil.types",
        ".moby.upload.v1",
        ".moby.buildkit.v1.BytesMessage",
    ]);
    tonic_prost_build::configure()
        .build_transport(false)
        .include_file("contracts.rs")
        .compile_fds_with_config(protox::compile(files, ["proto"])?, config)?;
    Ok(())
}
