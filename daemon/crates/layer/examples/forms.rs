//! What the two forms of layers cost: the figures of ADR 30.
//!
//! `cargo run --release -p gantry-layer --example forms -- DIRECTORY` (as root: it empties the page
//! cache). One layer of 20,000 files in 200 directories, and one of a 300 MiB file.

use std::error::Error;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gantry_layer::{Form, LayerOptions, LayerStore, Layers, Limits};
use tar::{Builder, Header};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let root: PathBuf = std::env::args_os().nth(1).ok_or("which directory?")?.into();
    for (name, files, bytes) in [("20000 files", 20_000, 4000), ("300 MiB", 1, 300 << 20)] {
        let tar = tar_of(files, bytes)?;
        for form in [Form::Directory, Form::Erofs] {
            let place = root.join(format!("{form:?}"));
            fs::create_dir_all(&place)?;
            let figures = measure(&place, form, &tar)?;
            writeln!(std::io::stdout(), "{name}, {form:?}: {figures}")?;
            fs::remove_dir_all(&place)?;
        }
    }
    Ok(())
}

fn tar_of(files: u32, bytes: usize) -> Outcome<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let mut content: Vec<u8> = (0..bytes).map(|at| (at / 7).to_le_bytes()[0]).collect();
    for number in 0..files {
        content[..4].copy_from_slice(&number.to_le_bytes());
        let mut header = Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(
            &mut header,
            format!("d{}/f{number}", number / 100),
            &*content,
        )?;
    }
    Ok(tar.into_inner()?)
}

fn measure(root: &Path, form: Form, tar: &[u8]) -> Outcome<String> {
    let options = LayerOptions {
        limits: Limits::DEFAULT,
        form,
        mounts_files: None,
        mounts: root.join("mounts"),
    };
    let layers = Layers::open(root, options)?;
    let start = Instant::now();
    let staged = layers.stage(&mut &*tar)?;
    let stage = start.elapsed();
    let layer = layers.commit(vec![staged], None)?.remove(0);
    let stored = start.elapsed();
    empty_cache()?;
    let start = Instant::now();
    let lowers = layers.mounted(Some(&layer.chain))?;
    let mount = start.elapsed();
    let cached = cached_kib()?;
    let (cold, _) = read_all(&lowers.paths[0])?;
    let cached = cached_kib()?.saturating_sub(cached);
    let (warm, bytes) = read_all(&lowers.paths[0])?;
    drop(lowers);
    let start = Instant::now();
    layers.remove(&layer.chain)?;
    let gone = start.elapsed();
    drop(layers);
    let removed = start.elapsed();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(format!(
        "stage {:.0} ms, with sync {:.0}, mount {:.2}, {} MB read cold {:.0}, warm {:.0}, page cache \
         {} MB; remove {:.2} ms, off the disk {:.0}",
        ms(stage),
        ms(stored),
        ms(mount),
        bytes >> 20,
        ms(cold),
        ms(warm),
        cached >> 10,
        ms(gone),
        ms(removed)
    ))
}

fn read_all(root: &Path) -> Outcome<(Duration, u64)> {
    let start = Instant::now();
    let (mut bytes, mut buffer) = (0, vec![0; 128 << 10]);
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
                continue;
            }
            let mut file = File::open(entry.path())?;
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    len => bytes += len as u64,
                }
            }
        }
    }
    Ok((start.elapsed(), bytes))
}

fn empty_cache() -> Outcome<()> {
    rustix::fs::sync();
    Ok(fs::write("/proc/sys/vm/drop_caches", "3")?)
}

fn cached_kib() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Cached:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no Cached: in /proc/meminfo")?.parse()?)
}
