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
    // `prost::Name` gives each message its full name, which is containerd's type URL.
    config.enable_type_names();
    config.btree_map(["."]);
    tonic_prost_build::configure()
        // No generated `connect`: the shim's own method of that name needs the place, and all
        // channels come from `uds`.
        .build_transport(false)
        .include_file("contracts.rs")
        .compile_fds_with_config(protox::compile(files, ["proto"])?, config)?;
    Ok(())
}
