//! `start` of our own runtime without running it again.
//!
//! A created container's process waits at `<root>/<id>/exec.fifo` (runc's name and place) for one byte.
//! `runc-lite start` takes the fifo away, writes the byte and runs the configuration's `poststart` hooks:
//! where there are none, that is all. The shim does it itself, as nobody else is at the container then:
//! a process less on every start. Whatever is not as expected is the runtime's to say: it is run.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// As in runc-lite's `state/store.rs`.
const FIFO: &str = "exec.fifo";
const CONFIG: &str = "config.json";
const LOCK: &str = "lock";

/// Gives the word to the process that waits in the runtime's `directory` of a container; whether it was
/// given. If not, nothing has changed, or the runtime finds that the process is gone.
pub(super) fn give(directory: &Path) -> bool {
    has_no_hook(directory) && tell(directory).is_ok()
}

/// Whether nothing follows the word.
fn has_no_hook(directory: &Path) -> bool {
    let config = fs::read(directory.join(CONFIG));
    config.is_ok_and(|config| memchr::memmem::find(&config, b"\"poststart\"").is_none())
}

fn tell(directory: &Path) -> std::io::Result<()> {
    // Held by every verb that changes the container.
    let lock = File::options()
        .append(true)
        .create(true)
        .open(directory.join(LOCK))?;
    lock.try_lock()?;
    let path = directory.join(FIFO);
    // Refused where nobody waits.
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fifo = rustix::fs::open(&path, flags, Mode::empty())?;
    // Gone before the word is given: a container that runs never looks created.
    fs::remove_file(&path)?;
    rustix::io::write(&fifo, b"0")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::OwnedFd;

    use rustix::fs::{CWD, FileType};

    use super::*;

    /// A container that waits, with this configuration; its process's end of the fifo.
    fn waiting(config: &str) -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CONFIG), config).unwrap();
        let fifo = folder.path().join(FIFO);
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o622), 0).unwrap();
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let end = rustix::fs::open(&fifo, flags, Mode::empty()).unwrap();
        (folder, end)
    }

    #[test]
    fn the_word_is_given_once_and_the_fifo_is_gone() {
        let (folder, end) = waiting("{}");
        assert!(give(folder.path()));
        let mut said = [0; 8];
        assert_eq!(File::from(end).read(&mut said).unwrap(), 1);
        assert_eq!(said[0], b'0');
        assert!(!folder.path().join(FIFO).exists());
        assert!(!give(folder.path()), "there is nobody to tell");
    }

    #[test]
    fn what_is_not_as_expected_is_left_to_the_runtime() {
        let (hooked, _end) = waiting(r#"{"hooks":{"poststart":[{"path":"/bin/true"}]}}"#);
        assert!(!give(hooked.path()));
        assert!(hooked.path().join(FIFO).exists());

        let (busy, _end) = waiting("{}");
        let lock = File::create(busy.path().join(LOCK)).unwrap();
        lock.lock().unwrap();
        assert!(!give(busy.path()), "somebody else is at it");
        assert!(busy.path().join(FIFO).exists());

        let (dead, end) = waiting("{}");
        drop(end);
        assert!(!give(dead.path()), "nobody waits");
        assert!(dead.path().join(FIFO).exists(), "for the runtime to say so");

        assert!(!give(Path::new("/nonexistent")));
    }
}
