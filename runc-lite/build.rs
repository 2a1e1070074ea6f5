//! Puts the entry point that protects the program's file ahead of the C library's
//! (`gantry_linux::early`).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        println!("cargo::rustc-link-arg-bin=runc-lite=-Wl,-e,gantry_early_start");
    }
}
