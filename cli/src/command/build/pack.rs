//! Folders as tars: what the engine is sent of a folder, without what its ignore file leaves out.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use gantry_dockerfile::Patterns;
use tar::{Builder, Header};

use crate::archive::append_one;

/// A folder's files as a tar, but for what is left out. The Dockerfile and the ignore files are always
/// sent: the engine reads them.
pub(super) fn folder(
    root: &Path,
    (dockerfile, outside): (&str, Option<Vec<u8>>),
    ignore: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let patterns = Patterns::read(ignore).map_err(io::Error::other)?;
    let mut builder = Builder::new(out);
    builder.follow_symlinks(false);
    builder.sparse(false);
    let always = [
        dockerfile.to_owned(),
        format!("{dockerfile}.dockerignore"),
        ".dockerignore".to_owned(),
    ];
    let mut packer = Packer {
        root,
        patterns,
        always,
    };
    packer.directory(Path::new(""), &mut builder)?;
    if let Some(text) = outside {
        append_text(&mut builder, dockerfile, &text)?;
        // No step sees what does not lie in the folder.
        let name = format!("{dockerfile}.dockerignore");
        let ignore = format!("{ignore}\n{dockerfile}\n{name}\n");
        append_text(&mut builder, &name, ignore.as_bytes())?;
    }
    builder.into_inner()?.flush()
}

struct Packer<'a> {
    root: &'a Path,
    patterns: Patterns,
    always: [String; 3],
}

impl Packer<'_> {
    fn directory(
        &mut self,
        within: &Path,
        builder: &mut Builder<&mut dyn Write>,
    ) -> io::Result<()> {
        let list = fs::read_dir(self.root.join(within))?;
        let mut names: Vec<_> = list
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<_>>()?;
        names.sort();
        for name in names {
            let path = within.join(name);
            let source = self.root.join(&path);
            let text = path.to_string_lossy();
            let is_kept = self.always.iter().any(|name| *name == text);
            let leads = self
                .always
                .iter()
                .any(|name| Path::new(name).starts_with(&path));
            let is_out = !is_kept && self.patterns.matches(&text);
            if !is_out {
                if append_one(builder, &source, &path)? {
                    self.directory(&path, builder)?;
                }
            } else if (leads || self.patterns.has_exceptions())
                && fs::symlink_metadata(&source)?.is_dir()
            {
                // Something in it may be kept; its own entry is made by the engine.
                self.directory(&path, builder)?;
            }
        }
        Ok(())
    }
}

pub(super) fn append_text(
    builder: &mut Builder<&mut dyn Write>,
    name: &str,
    text: &[u8],
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(text.len() as u64);
    builder.append_data(&mut header, name, text)
}
