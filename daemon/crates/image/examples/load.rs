//! Loads an archive into a store, as gantryd does: `load STORE ARCHIVE`.
//!
//! Prints what docker prints, and on the second stream how long it took. The crash test kills it at
//! random instants.

use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use gantry_image::ImageStore;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(root), Some(archive)) = (arguments.next(), arguments.next()) else {
        return Err("usage: load STORE ARCHIVE".into());
    };
    let start = Instant::now();
    let store = ImageStore::open(&root)?;
    let opened = start.elapsed();
    for loaded in store.load(&mut File::open(archive)?, &mut |_| ())? {
        println!("{}", loaded.message());
    }
    eprintln!(
        "opened in {opened:?}, loaded in {:?}",
        start.elapsed().saturating_sub(opened)
    );
    Ok(())
}
