//! Databases on a disk that is full, and after a kill in the instant they are made.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

use std::fs;
use std::io::Write;
use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

fn put(database: &Database, key: u64, bytes: usize) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    write.open_table(TABLE)?.insert(key, &*vec![7; bytes])?;
    Ok(write.commit()?)
}

fn remove(database: &Database, key: u64) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    write.open_table(TABLE)?.remove(key)?;
    Ok(write.commit()?)
}

/// A small file system, unmounted when dropped.
struct Small(tempfile::TempDir);

impl Small {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        mount(
            "tmpfs",
            place.path(),
            "tmpfs",
            MountFlags::empty(),
            c"size=16m",
        )
        .unwrap();
        Self(place)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        let mut file = fs::File::create(self.path().join("fill")).unwrap();
        for piece in [1 << 20, 4096, 1] {
            while file.write_all(&vec![1; piece]).is_ok() {}
        }
        assert_eq!(gantry_ledger::free_bytes(self.path()).unwrap(), 0);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

#[test]
fn records_are_changed_and_removed_on_a_full_disk() {
    let small = Small::new();
    let path = small.path().join("records.redb");
    let database = gantry_ledger::open(&path, None).unwrap();
    for key in 0..100 {
        put(&database, key, 2000).unwrap();
    }
    small.fill();
    for key in 0..50 {
        remove(&database, key).unwrap();
        put(&database, 50 + key, 1500).unwrap();
    }
    fs::remove_file(small.path().join("fill")).unwrap();
    put(&database, 1000, 2 << 20).unwrap();
    // There is a reserve again.
    assert!(
        fs::metadata(small.path().join("records.reserve"))
            .unwrap()
            .len()
            > 0
    );
    drop(database);
    let database = gantry_ledger::open(&path, Some(1 << 20)).unwrap();
    let read = database.begin_read().unwrap();
    let table = read.open_table(TABLE).unwrap();
    assert!(table.get(0).unwrap().is_none());
    assert_eq!(table.get(99).unwrap().unwrap().value().len(), 1500);
}

/// Without the reserve this is what happens: the database is of no use until it is opened again.
#[test]
fn a_plain_database_is_lost_on_a_full_disk() {
    let small = Small::new();
    let database = Database::create(small.path().join("records.redb")).unwrap();
    put(&database, 0, 2000).unwrap();
    small.fill();
    let failed = (1..1000).any(|key| put(&database, key, 20_000).is_err());
    assert!(failed);
    fs::remove_file(small.path().join("fill")).unwrap();
    assert!(put(&database, 1, 1).is_err());
}

#[test]
fn what_a_killed_process_had_half_made_is_made_anew() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("records.redb");
    fs::write(path.with_extension("redb.new"), [0; 4096]).unwrap();
    let database = gantry_ledger::open(&path, None).unwrap();
    put(&database, 1, 1).unwrap();
    assert!(
        gantry_ledger::open(&path, None).is_err(),
        "it is open already"
    );
}
