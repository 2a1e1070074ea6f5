//! Applets that read files: `cat`, `ls`.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::fail;

/// `cat [FILE…]`: `-` or nothing is stdin.
pub(super) fn cat(args: &[String]) -> u8 {
    let stdin = ["-".to_owned()];
    let names = if args.is_empty() { &stdin } else { args };
    let mut code = 0;
    for name in names {
        let copied = if name == "-" {
            copy(&mut io::stdin().lock())
        } else {
            File::open(name).and_then(|mut f| copy(&mut f))
        };
        if let Err(e) = copied {
            code = fail("cat", &format!("{name}: {e}"));
        }
    }
    code
}

/// What is read goes out at once: a pipe's reader waits for it.
fn copy(from: &mut dyn Read) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return out.flush(),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        out.write_all(&buffer[..n])?;
        out.flush()?;
    }
}

/// `ls [-l] [-a] [PATH…]`: names in order; `-l` with mode, owner and size.
pub(super) fn ls(args: &[String]) -> u8 {
    let flags: String = args.iter().filter_map(|a| a.strip_prefix('-')).collect();
    let here = ["."];
    let mut paths: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|a| !a.starts_with('-'))
        .collect();
    if paths.is_empty() {
        paths.extend(here);
    }
    let mut code = 0;
    let mut out = BufWriter::new(io::stdout().lock());
    for path in &paths {
        if paths.len() > 1 {
            let _ = writeln!(out, "{path}:");
        }
        if let Err(e) = list(&mut out, Path::new(path), &flags) {
            let _ = out.flush();
            code = fail("ls", &format!("{path}: {e}"));
        }
    }
    u8::from(out.flush().is_err()).max(code)
}

fn list(out: &mut dyn Write, path: &Path, flags: &str) -> io::Result<()> {
    if !fs::metadata(path)
        .or_else(|_| fs::symlink_metadata(path))?
        .is_dir()
    {
        return entry(out, path, &path.display().to_string(), flags);
    }
    let mut names = Vec::new();
    for found in fs::read_dir(path)? {
        names.push(found?.file_name());
    }
    names.sort();
    for name in names {
        let shown = name.to_string_lossy();
        if !shown.starts_with('.') || flags.contains('a') {
            entry(out, &path.join(&name), &shown, flags)?;
        }
    }
    Ok(())
}

fn entry(out: &mut dyn Write, path: &Path, shown: &str, flags: &str) -> io::Result<()> {
    if !flags.contains('l') {
        return writeln!(out, "{shown}");
    }
    let meta = fs::symlink_metadata(path)?;
    let target = fs::read_link(path)
        .map(|t| format!(" -> {}", t.display()))
        .unwrap_or_default();
    writeln!(
        out,
        "{} {:>3} {:>5} {:>5} {:>9} {shown}{target}",
        mode(&meta),
        meta.nlink(),
        meta.uid(),
        meta.gid(),
        meta.len()
    )
}

fn mode(meta: &fs::Metadata) -> String {
    let kind = meta.file_type();
    let mut text = String::from(match () {
        () if kind.is_dir() => "d",
        () if kind.is_symlink() => "l",
        () if kind.is_char_device() => "c",
        () if kind.is_block_device() => "b",
        () if kind.is_fifo() => "p",
        () if kind.is_socket() => "s",
        () => "-",
    });
    for shift in [6, 3, 0] {
        let bits = meta.mode() >> shift;
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            text.push(if bits & bit == 0 { '-' } else { letter });
        }
    }
    text
}
