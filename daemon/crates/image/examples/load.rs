//! Loads an archive into a store, as gantryd does: `load STORE ARCHIVE [erofs]`.
//!
//! Prints what docker prints, and on the second stream how long it took. The crash test kills it at
//! random instants.

use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use gantry_image::{Form, ImageStore};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(root), Some(archive)) = (arguments.next(), arguments.next()) else {
        return Err("usage: load STORE ARCHIVE [erofs]".into());
    };
    let form = match arguments.next() {
        Some(word) if word.as_os_str() == "erofs" => Form::Erofs,
        _ => Form::Directory,
    };
    let start = Instant::now();
    let store = ImageStore::open_as(&root, form, root.join("mounts"))?;
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
