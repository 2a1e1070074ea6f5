//! `fsck`: each kind of damage is found, named, and mended where that can be.

use std::fs;
use std::path::{Path, PathBuf};

use gantry_image::{ChainId, Finding, Form, FsckReport, FsckRequest, ImageStore};
use gantry_layer::LayerStore;
use redb::{ReadableTable, TableDefinition};
use tempfile::TempDir;

use crate::archives::{config, docker, layer};

const FORMS: [Form; 2] = [Form::Directory, Form::Erofs];

struct Damaged {
    images: ImageStore,
    root: TempDir,
    form: Form,
}

fn archive() -> Vec<u8> {
    let (one, two) = ([layer("base"), layer("one")], [layer("base"), layer("two")]);
    docker(&[
        (config(&one), &one, &["one:1"]),
        (config(&two), &two, &["two:1"]),
    ])
}

fn open(root: &TempDir, form: Form) -> ImageStore {
    let mounts = root.path().join("mounts");
    ImageStore::open_as(&root.path().join("image"), form, mounts).unwrap()
}

impl Damaged {
    /// Two images that share their lower layer.
    fn new(form: Form) -> Self {
        let root = tempfile::tempdir().unwrap();
        let damaged = Self {
            images: open(&root, form),
            root,
            form,
        };
        damaged.load();
        damaged
    }

    fn load(&self) {
        self.images.load(&mut &*archive(), &mut |_| ()).unwrap();
    }

    /// Does something to the store's files while it is closed.
    fn closed(self, damage: impl FnOnce(PathBuf)) -> Self {
        drop(self.images);
        damage(self.root.path().join("image"));
        Self {
            images: open(&self.root, self.form),
            root: self.root,
            form: self.form,
        }
    }

    fn fsck(&self, repair: bool) -> FsckReport {
        self.fsck_while(repair, &[])
    }

    fn fsck_while(&self, repair: bool, running: &[&str]) -> FsckReport {
        let running = |_: &ChainId| running.iter().map(ToString::to_string).collect();
        let request = FsckRequest {
            repair,
            running: &running,
        };
        self.images.fsck(&request).unwrap()
    }

    /// The one finding.
    fn finding(&self, repair: bool) -> Finding {
        let findings = self.fsck(repair).findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.into_iter().next().unwrap()
    }

    /// Damages the content of the layer of an image: its own, or the one beneath.
    fn damage(&self, image: &str, is_own: bool) {
        let chain = self.images.find(image).unwrap().config.chain().unwrap();
        let layer = self.images.layers().get(&chain).unwrap();
        let chain = if is_own { Some(chain) } else { layer.parent };
        let directory = self
            .images
            .layers()
            .directories(chain.as_ref())
            .unwrap()
            .remove(0);
        let file = match self.form {
            Form::Erofs => directory.join("tar"),
            Form::Directory => first_file(&directory),
        };
        let mut bytes = fs::read(&file).unwrap();
        bytes[0] ^= 1;
        fs::write(&file, bytes).unwrap();
    }

    fn assert_sound(&self) {
        let report = self.fsck(false);
        assert_eq!(report.findings, []);
        assert_eq!((report.images, report.layers), (2, 3));
        for name in ["one:1", "two:1"] {
            let image = self.images.find(name).unwrap();
            self.images
                .layers()
                .view(image.config.chain().as_ref())
                .unwrap();
        }
    }
}

fn first_file(directory: &Path) -> PathBuf {
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            } else if entry.metadata().unwrap().len() > 0 {
                return entry.path();
            }
        }
    }
    panic!("no file with content");
}

#[test]
fn what_is_sound_has_no_findings() {
    for form in FORMS {
        let store = Damaged::new(form);
        store.assert_sound();
        assert_eq!(store.fsck(true).findings, []);
        store.assert_sound();
    }
}

#[test]
fn a_lost_layer_is_named_and_comes_back_alone() {
    for form in FORMS {
        for is_own in [true, false] {
            let store = Damaged::new(form);
            store.damage("one:1", is_own);
            let found = store.finding(false);
            assert_eq!((found.kind.as_str(), found.repaired), ("layer", false));
            assert!(found.problem.contains("damaged"), "{found:?}");
            assert_eq!(found.advice, "run fsck with --repair");
            // Not beneath a container that runs.
            let left = store.fsck_while(true, &["web"]).findings;
            assert_eq!(left[0].advice, "stop web and repair again");
            let named = store.finding(true);
            let names = if is_own { "one:1" } else { "one:1, two:1" };
            assert!(!named.repaired);
            assert!(
                named.advice.starts_with("pull or load again: "),
                "{named:?}"
            );
            for name in names.split(", ") {
                assert!(named.advice.contains(name), "{named:?}");
            }
            assert_eq!(store.images.layers().list().len(), 2);
            let images = store.fsck(false).findings;
            assert!(
                images.iter().all(|one| one.problem.contains("is missing")),
                "{images:?}"
            );
            assert!(!images.is_empty());
            store.load();
            store.assert_sound();
        }
    }
}

#[test]
fn what_lies_about_is_removed() {
    let store = Damaged::new(Form::Directory).closed(|image| {
        fs::create_dir(image.join("layers/leftover")).unwrap();
    });
    // The engine sweeps it at its start; what comes later is found.
    fs::create_dir(store.root.path().join("image/layers/stranger")).unwrap();
    assert!(store.finding(false).problem.contains("no layer"));
    assert!(store.finding(true).repaired);
    store.assert_sound();
}

/// A row of one of the store's tables changed behind its back.
fn write(image: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = redb::Database::create(image.join("image.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn a_name_of_nothing_is_removed() {
    const REFERENCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("references");
    let store = Damaged::new(Form::Directory).closed(|image| {
        write(&image, |transaction| {
            let mut table = transaction.open_table(REFERENCES).unwrap();
            table
                .insert("docker.io/library/ghost:1", &[7; 32][..])
                .unwrap();
        });
    });
    let found = store.finding(false);
    assert_eq!(found.kind, "reference");
    assert!(store.finding(true).repaired);
    store.assert_sound();
}

#[test]
fn damaged_documents_are_named() {
    const CONFIGS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("configs");
    const MANIFESTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("manifests");
    let store = Damaged::new(Form::Directory).closed(|image| {
        write(&image, |transaction| {
            let mut table = transaction.open_table(CONFIGS).unwrap();
            let first = table.iter().unwrap().next().unwrap().unwrap();
            let (key, mut value) = (first.0.value().to_vec(), first.1.value().to_vec());
            drop(first);
            value.push(b' ');
            table.insert(&*key, &*value).unwrap();
            drop(table);
            let mut table = transaction.open_table(MANIFESTS).unwrap();
            table.insert(&[9; 32][..], &b"{}"[..]).unwrap();
        });
    });
    let mut kinds: Vec<_> = store
        .fsck(true)
        .findings
        .iter()
        .map(|one| one.kind.clone())
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["image", "manifest"]);
}
