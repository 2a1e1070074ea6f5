//! The words that mounts take as options, and what each changes.

use gantry_linux::mount_attr::{
    ATIME_MASK, MountAttributes, NOATIME, NODEV, NODIRATIME, NOEXEC, NOSUID, NOSYMFOLLOW, PRIVATE,
    RDONLY, SHARED, SLAVE, STRICTATIME, UNBINDABLE,
};

/// What the options of one mount ask for, besides the data of its file system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MountChange {
    /// Of the mount itself.
    pub(crate) attributes: MountAttributes,
    /// Of the mount and all below it (`rro`, `rnosuid`, …).
    pub(crate) recursive: MountAttributes,
    /// Propagation of the mount, then of the whole tree, in the order written.
    pub(crate) propagation: Vec<(u64, bool)>,
    /// Of the file system (`sync`, `dirsync`, `lazytime`, …).
    pub(crate) superblock: Vec<String>,
    /// Fill a new tmpfs with what it covers.
    pub(crate) copy_up: bool,
}

/// How a word changes the mount.
#[derive(Clone, Copy)]
enum Word {
    Bind { recursive: bool },
    Set(u64),
    Clear(u64),
    Atime(u64),
    SetTree(u64),
    ClearTree(u64),
    AtimeTree(u64),
    Propagation(u64, bool),
    Superblock,
    CopyUp,
    Nothing,
}

const WORDS: [(&str, Word); 66] = [
    ("async", Word::Nothing),
    ("atime", Word::Clear(NOATIME)),
    ("bind", Word::Bind { recursive: false }),
    ("defaults", Word::Nothing),
    ("dev", Word::Clear(NODEV)),
    ("diratime", Word::Clear(NODIRATIME)),
    ("dirsync", Word::Superblock),
    ("exec", Word::Clear(NOEXEC)),
    ("iversion", Word::Superblock),
    ("lazytime", Word::Superblock),
    ("loud", Word::Nothing),
    ("mand", Word::Superblock),
    ("noatime", Word::Atime(NOATIME)),
    ("nodev", Word::Set(NODEV)),
    ("nodiratime", Word::Set(NODIRATIME)),
    ("noexec", Word::Set(NOEXEC)),
    ("noiversion", Word::Nothing),
    ("nolazytime", Word::Nothing),
    ("nomand", Word::Nothing),
    ("norelatime", Word::Nothing),
    ("nostrictatime", Word::Nothing),
    ("nosuid", Word::Set(NOSUID)),
    ("nosymfollow", Word::Set(NOSYMFOLLOW)),
    ("private", Word::Propagation(PRIVATE, false)),
    ("ratime", Word::AtimeTree(0)),
    ("rbind", Word::Bind { recursive: true }),
    ("rdev", Word::ClearTree(NODEV)),
    ("rdiratime", Word::ClearTree(NODIRATIME)),
    ("relatime", Word::Atime(0)),
    ("remount", Word::Nothing),
    ("rexec", Word::ClearTree(NOEXEC)),
    ("rnoatime", Word::AtimeTree(NOATIME)),
    ("rnodev", Word::SetTree(NODEV)),
    ("rnodiratime", Word::SetTree(NODIRATIME)),
    ("rnoexec", Word::SetTree(NOEXEC)),
    ("rnorelatime", Word::AtimeTree(STRICTATIME)),
    ("rnostrictatime", Word::AtimeTree(0)),
    ("rnosuid", Word::SetTree(NOSUID)),
    ("rnosymfollow", Word::SetTree(NOSYMFOLLOW)),
    ("ro", Word::Set(RDONLY)),
    ("rprivate", Word::Propagation(PRIVATE, true)),
    ("rrelatime", Word::AtimeTree(0)),
    ("rro", Word::SetTree(RDONLY)),
    ("rrw", Word::ClearTree(RDONLY)),
    ("rshared", Word::Propagation(SHARED, true)),
    ("rslave", Word::Propagation(SLAVE, true)),
    ("rstrictatime", Word::AtimeTree(STRICTATIME)),
    ("rsuid", Word::ClearTree(NOSUID)),
    ("rsymfollow", Word::ClearTree(NOSYMFOLLOW)),
    ("runbindable", Word::Propagation(UNBINDABLE, true)),
    ("rw", Word::Clear(RDONLY)),
    ("shared", Word::Propagation(SHARED, false)),
    ("silent", Word::Superblock),
    ("slave", Word::Propagation(SLAVE, false)),
    ("strictatime", Word::Atime(STRICTATIME)),
    ("suid", Word::Clear(NOSUID)),
    ("symfollow", Word::Clear(NOSYMFOLLOW)),
    ("sync", Word::Superblock),
    ("tmpcopyup", Word::CopyUp),
    ("unbindable", Word::Propagation(UNBINDABLE, false)),
    // Spellings of other tools.
    ("norelatime", Word::Nothing),
    ("nofail", Word::Nothing),
    ("auto", Word::Nothing),
    ("noauto", Word::Nothing),
    ("user", Word::Nothing),
    ("nouser", Word::Nothing),
];

/// The words that `features` lists.
pub(crate) const NAMES: [&str; 60] = {
    let mut names = [""; 60];
    let mut index = 0;
    while index < names.len() {
        names[index] = WORDS[index].0;
        index += 1;
    }
    names
};

/// All options of one mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ParsedOptions {
    pub(crate) change: MountChange,
    /// A bind mount; `true` for the whole tree.
    pub(crate) bind: Option<bool>,
    /// What the file system itself is told.
    pub(crate) data: Vec<(String, Option<String>)>,
}

/// Sorts the words. What is not in the table is for the file system.
pub(crate) fn parse(options: &[String]) -> ParsedOptions {
    let mut parsed = ParsedOptions::default();
    for option in options {
        match WORDS.iter().find(|(name, _)| name == option) {
            Some((name, word)) => apply(&mut parsed, name, *word),
            None if option.is_empty() => {}
            None => {
                let (key, value) = match option.split_once('=') {
                    Some((key, value)) => (key, Some(value.to_owned())),
                    None => (option.as_str(), None),
                };
                parsed.data.push((key.to_owned(), value));
            }
        }
    }
    parsed
}

fn apply(parsed: &mut ParsedOptions, name: &str, word: Word) {
    let change = &mut parsed.change;
    match word {
        Word::Bind { recursive } => parsed.bind = Some(recursive),
        Word::Set(bits) => set(&mut change.attributes, bits),
        Word::Clear(bits) => clear(&mut change.attributes, bits),
        Word::Atime(bits) => access_time(&mut change.attributes, bits),
        Word::SetTree(bits) => set(&mut change.recursive, bits),
        Word::ClearTree(bits) => clear(&mut change.recursive, bits),
        Word::AtimeTree(bits) => access_time(&mut change.recursive, bits),
        Word::Propagation(kind, recursive) => change.propagation.push((kind, recursive)),
        Word::Superblock => change.superblock.push(name.to_owned()),
        Word::CopyUp => change.copy_up = true,
        Word::Nothing => {}
    }
}

fn set(attributes: &mut MountAttributes, bits: u64) {
    attributes.set |= bits;
    attributes.clear &= !bits;
}

fn clear(attributes: &mut MountAttributes, bits: u64) {
    attributes.set &= !bits;
    attributes.clear |= bits;
}

/// Access time is one choice of several: the kernel wants the old one cleared as a whole.
fn access_time(attributes: &mut MountAttributes, bits: u64) {
    attributes.clear |= ATIME_MASK;
    attributes.set = attributes.set & !ATIME_MASK | bits;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> ParsedOptions {
        parse(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn later_words_win() {
        let parsed = parse_words(&["ro", "nosuid", "rw"]);
        assert_eq!(parsed.change.attributes.set, NOSUID);
        assert_eq!(parsed.change.attributes.clear, RDONLY);
    }

    #[test]
    fn unknown_words_are_the_file_systems() {
        let parsed = parse_words(&["mode=755", "newinstance", "rbind"]);
        assert_eq!(parsed.bind, Some(true));
        assert_eq!(parsed.data[0], ("mode".to_owned(), Some("755".to_owned())));
        assert_eq!(parsed.data[1], ("newinstance".to_owned(), None));
    }

    #[test]
    fn the_listed_names_are_sorted_and_known() {
        assert!(NAMES.is_sorted());
        assert_eq!(NAMES[59], "unbindable");
    }
}
