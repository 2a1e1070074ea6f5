//! Embeds the image and the init that `cargo xtask build` has made.
//!
//! `GANTRY_EMBEDDED_IMAGE` (an image archive) and `GANTRY_EMBEDDED_INIT` (a static program) name files
//! at compile time; without them the daemon is built without and says so when one is needed.

use std::env;
use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let mut source = String::new();
    for (constant, variable) in [
        ("IMAGE", "GANTRY_EMBEDDED_IMAGE"),
        ("INIT", "GANTRY_EMBEDDED_INIT"),
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
        let bytes = match env::var(variable) {
            Ok(path) if !path.is_empty() => {
                println!("cargo::rerun-if-changed={path}");
                format!("include_bytes!({path:?})")
            }
            _ => "&[]".to_owned(),
        };
        writeln!(source, "pub(super) static {constant}: &[u8] = {bytes};")
            .expect("a string takes any text");
    }
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("embedded.rs"), source).expect("write embedded.rs");
}
