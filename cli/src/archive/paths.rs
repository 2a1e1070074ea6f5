//! docker's rules of where a copy ends up: trailing slashes, `/.`, existing and missing targets.

use anyhow::{Result, bail};

/// A path as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CopyPath {
    pub(crate) text: String,
}

impl CopyPath {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// `dir/`: the target must be a directory.
    pub(crate) fn asserts_directory(&self) -> bool {
        self.text.ends_with('/') || self.ends_in_dot()
    }

    /// `dir/.`: the content of the directory, not the directory.
    pub(crate) fn ends_in_dot(&self) -> bool {
        matches!(self.text.as_str(), "" | ".") || self.text.ends_with("/.")
    }

    /// Without trailing slashes and dots; `/` for the root.
    pub(crate) fn clean(&self) -> &str {
        let mut path = self.text.as_str();
        loop {
            let shorter = path.strip_suffix("/.").or_else(|| path.strip_suffix('/'));
            match shorter {
                Some("") => return "/",
                Some(shorter) => path = shorter,
                None => return path,
            }
        }
    }

    /// The folder that holds the path's last part.
    pub(crate) fn parent(&self) -> &str {
        match self.clean().rsplit_once('/') {
            Some(("", _)) => "/",
            Some((parent, _)) => parent,
            None => ".",
        }
    }

    /// The last part of the path.
    pub(crate) fn base(&self) -> &str {
        match self.clean().rsplit_once('/') {
            Some((_, "")) => "/",
            Some((_, base)) => base,
            None => self.clean(),
        }
    }
}

/// What is known of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stat {
    Missing,
    Directory,
    Other,
}

/// Where the archive's entries go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The folder that the archive is laid out in.
    pub(crate) folder: String,
    /// What the archive's top entry is called there; `None` keeps its name.
    pub(crate) top: Option<String>,
}

/// Decides where a copy of something (a directory or not) ends up, given what is at `target` now.
pub(crate) fn plan(source_is_dir: bool, target: &CopyPath, stat: Stat) -> Result<Plan> {
    match stat {
        // Into the directory; the archive of `dir/.` has a top entry called `.`.
        Stat::Directory => Ok(Plan {
            folder: target.clean().to_owned(),
            top: None,
        }),
        Stat::Other if source_is_dir => bail!("cannot copy directory"),
        Stat::Other | Stat::Missing if !source_is_dir && target.asserts_directory() => {
            bail!("no such directory")
        }
        // A new name: the top entry takes it.
        Stat::Other | Stat::Missing => Ok(Plan {
            folder: target.parent().to_owned(),
            top: Some(target.base().to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_end_up_where_docker_puts_them() {
        let some =
            |folder: &str, top: Option<&str>| Some((folder.to_owned(), top.map(str::to_owned)));
        let table = [
            ((false, "/t", Stat::Missing), some("/", Some("t"))),
            ((false, "/t/", Stat::Missing), None),
            ((false, "", Stat::Missing), None),
            ((false, "/t", Stat::Other), some("/", Some("t"))),
            ((false, "/t/", Stat::Other), None),
            ((false, "/t", Stat::Directory), some("/t", None)),
            ((true, "/x/t", Stat::Missing), some("/x", Some("t"))),
            ((true, "/x/t/", Stat::Missing), some("/x", Some("t"))),
            ((true, "/t", Stat::Other), None),
            ((true, "/t/.", Stat::Directory), some("/t", None)),
            ((false, "t", Stat::Missing), some(".", Some("t"))),
        ];
        for ((dir, target, stat), want) in table {
            let got = plan(dir, &CopyPath::new(target), stat)
                .ok()
                .map(|plan| (plan.folder, plan.top));
            assert_eq!(got, want, "{target} {stat:?}");
        }
    }

    #[test]
    fn paths_are_taken_apart() {
        for (text, clean, parent, base) in [
            ("/a/b/", "/a/b", "/a", "b"),
            ("/a/.", "/a", "/", "a"),
            ("/", "/", "/", "/"),
            ("x", "x", ".", "x"),
            (".", ".", ".", "."),
        ] {
            let path = CopyPath::new(text);
            assert_eq!(
                (path.clean(), path.parent(), path.base()),
                (clean, parent, base),
                "{text}"
            );
        }
    }
}
