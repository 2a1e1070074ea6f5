//! Layers that were damaged: found, named, and made again from what is left.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use gantry_layer::{ChainId, Fault, Form, LayerStore, Layers, Limits};

use crate::layer_tar::LayerTar;
use crate::stores::{FORMS, store};

fn base() -> Vec<u8> {
    LayerTar::new()
        .dir("d/")
        .file("d/f", &"content ".repeat(1000))
        .file("d/g", "another")
        .symlink("d/l", "f")
        .file("d/.wh.gone", "")
        .file("implied/x", "1")
        .finish()
}

/// A store with the layer twice: alone, and on top of another.
fn stored(root: &Path, form: Form) -> (Layers, ChainId, ChainId) {
    let layers = store(root, form, Limits::DEFAULT);
    let below = LayerTar::new().dir("implied/").finish();
    let put = |tars: &[&[u8]]| {
        let staged = tars
            .iter()
            .map(|tar| layers.stage(&mut &**tar).unwrap())
            .collect();
        layers.commit(staged, None).unwrap().last().unwrap().chain
    };
    let (alone, above) = (put(&[&base()]), put(&[&below, &base()]));
    (layers, alone, above)
}

fn place(layers: &Layers, chain: &ChainId) -> PathBuf {
    layers.directories(Some(chain)).unwrap().remove(0)
}

#[test]
fn sound_layers_have_no_fault() {
    for form in FORMS {
        let root = tempfile::tempdir().unwrap();
        let (layers, alone, above) = stored(root.path(), form);
        for chain in [alone, above] {
            assert_eq!(layers.check(&chain).unwrap(), None, "{form:?}");
            assert!(layers.repair(&chain).unwrap());
            assert_eq!(layers.check(&chain).unwrap(), None, "{form:?}");
        }
        assert_eq!(layers.strangers().unwrap(), Vec::<PathBuf>::new());
    }
}

/// Changes an unpacked layer.
type Damage = fn(&Path);

/// What only changes the shape of a directory is mended from its own content.
#[test]
fn shapes_are_mended() {
    let damages: [(&str, Damage); 6] = [
        ("mode", |fs| {
            fs::set_permissions(fs.join("d/g"), fs::Permissions::from_mode(0o4777)).unwrap();
        }),
        ("owner", |fs| {
            std::os::unix::fs::chown(fs.join("d"), Some(7), None).unwrap();
        }),
        ("time", |fs| {
            let file = fs::File::options()
                .write(true)
                .open(fs.join("d/f"))
                .unwrap();
            file.set_modified(std::time::SystemTime::UNIX_EPOCH)
                .unwrap();
        }),
        ("something else", |fs| {
            fs::remove_file(fs.join("d/l")).unwrap();
            symlink("elsewhere", fs.join("d/l")).unwrap();
        }),
        ("missing", |fs| fs::remove_file(fs.join("d/gone")).unwrap()),
        ("not of this layer", |fs| {
            fs::write(fs.join("d/planted"), "x").unwrap();
        }),
    ];
    for (word, damage) in damages {
        let root = tempfile::tempdir().unwrap();
        let (layers, _, above) = stored(root.path(), Form::Directory);
        damage(&place(&layers, &above));
        match layers.check(&above).unwrap() {
            Some(Fault::Shape(text)) => assert!(text.contains(word), "{word}: {text}"),
            other => panic!("{word}: {other:?}"),
        }
        assert!(layers.repair(&above).unwrap(), "{word}");
        assert_eq!(layers.check(&above).unwrap(), None, "{word}");
        // Also for who opens it again.
        drop(layers);
        let layers = store(root.path(), Form::Erofs, Limits::DEFAULT);
        assert_eq!(layers.check(&above).unwrap(), None, "{word}");
    }
}

#[test]
fn an_index_is_written_anew() {
    let root = tempfile::tempdir().unwrap();
    let (layers, alone, above) = stored(root.path(), Form::Erofs);
    let before = fs::read(place(&layers, &above).join("index")).unwrap();
    fs::write(place(&layers, &above).join("index"), "nothing").unwrap();
    fs::remove_file(place(&layers, &alone).join("index")).unwrap();
    for chain in [alone, above] {
        assert!(matches!(
            layers.check(&chain).unwrap(),
            Some(Fault::Shape(_))
        ));
        assert!(layers.repair(&chain).unwrap());
        assert_eq!(layers.check(&chain).unwrap(), None);
    }
    assert_eq!(
        fs::read(place(&layers, &above).join("index"))
            .unwrap()
            .len(),
        before.len()
    );
    let lowers = layers.mounted(Some(&above)).unwrap();
    assert_eq!(
        fs::read_to_string(lowers.paths[0].join("d/g")).unwrap(),
        "another"
    );
}

/// Lost content is taken from another layer of the same content; without one it is lost.
#[test]
fn content_is_taken_from_a_twin() {
    for form in FORMS {
        let root = tempfile::tempdir().unwrap();
        let (layers, alone, above) = stored(root.path(), form);
        let file = |chain| match form {
            Form::Directory => place(&layers, chain).join("d/f"),
            Form::Erofs => place(&layers, chain).join("tar"),
        };
        let damage = |chain| {
            let mut bytes = fs::read(file(chain)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file(chain), bytes).unwrap();
        };
        damage(&above);
        assert!(matches!(
            layers.check(&above).unwrap(),
            Some(Fault::Content(_))
        ));
        assert!(layers.repair(&above).unwrap());
        assert_eq!(layers.check(&above).unwrap(), None);
        damage(&above);
        fs::remove_file(file(&alone)).unwrap();
        for chain in [alone, above] {
            assert!(!layers.repair(&chain).unwrap(), "{form:?}");
            assert!(matches!(
                layers.check(&chain).unwrap(),
                Some(Fault::Content(_))
            ));
        }
    }
}

#[test]
fn strangers_are_named() {
    let root = tempfile::tempdir().unwrap();
    let (layers, ..) = stored(root.path(), Form::Directory);
    let stranger = root.path().join("layers/stranger");
    fs::create_dir(&stranger).unwrap();
    assert_eq!(layers.strangers().unwrap(), [stranger]);
}
