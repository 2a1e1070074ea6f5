use std::fs;

use super::*;

fn strings(options: &[&str]) -> Vec<String> {
    options.iter().map(ToString::to_string).collect()
}

fn mount(kind: &str, source: &Path, options: &[String]) -> Mount {
    Mount {
        kind: kind.into(),
        source: source.display().to_string(),
        target: String::new(),
        options: options.to_vec(),
    }
}

#[test]
fn options_are_sorted_out() {
    let options = strings(&["rbind", "ro", "rslave", "lowerdir=/a:/b"]);
    let parsed = Options::parse(&options);
    assert_eq!((parsed.bind, parsed.recursive), (true, true));
    assert_eq!(parsed.flags, MountFlags::RDONLY);
    assert_eq!(
        parsed.propagation,
        Some(MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
    );
    assert_eq!(parsed.data, ["lowerdir=/a:/b"]);
}

#[test]
fn a_target_beneath_the_root_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let beneath = Mount {
        target: "etc".into(),
        ..mount("tmpfs", Path::new("x"), &[])
    };
    assert!(matches!(
        mount_all(&[beneath], folder.path()),
        Err(RootfsError::Target(_))
    ));
}

/// Layers and writable folders on a tmpfs, so that overlay works wherever the tests run.
struct Layers {
    folder: tempfile::TempDir,
}

impl Layers {
    fn make(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        rustix::mount::mount("none", folder.path(), "tmpfs", MountFlags::empty(), None)
            .expect("these tests run as root");
        for n in 0..count {
            let layer = folder
                .path()
                .join(format!("a-layer-with-a-long-name-{n:060}"));
            fs::create_dir(&layer).unwrap();
            fs::write(layer.join(format!("file{n}")), n.to_string()).unwrap();
        }
        for name in ["upper", "work", "root"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn overlay(&self, count: usize) -> Mount {
        let path = self.folder.path().display();
        let layers: Vec<String> = (0..count)
            .map(|n| format!("{path}/a-layer-with-a-long-name-{n:060}"))
            .collect();
        let options = [
            format!("lowerdir={}", layers.join(":")),
            format!("upperdir={path}/upper"),
            format!("workdir={path}/work"),
        ];
        mount("overlay", Path::new("overlay"), &options)
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        unmount_all(&self.root());
        rustix::mount::unmount(self.folder.path(), UnmountFlags::DETACH).unwrap();
    }
}

#[test]
fn more_layers_than_fit_a_page_of_options_are_mounted_and_unmounted() {
    let layers = Layers::make(100);
    let root = layers.root();
    mount_all(&[layers.overlay(100)], &root).unwrap();
    assert_eq!(fs::read_to_string(root.join("file99")).unwrap(), "99");
    fs::write(root.join("new"), "x").unwrap();
    assert!(layers.folder.path().join("upper/new").exists());
    unmount_all(&root);
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}

#[test]
fn a_read_only_bind_is_read_only_and_a_failed_mount_leaves_none() {
    let layers = Layers::make(1);
    let (root, source) = (layers.root(), layers.folder.path().join("upper"));
    fs::write(source.join("f"), "x").unwrap();
    let bind = mount("bind", &source, &strings(&["rbind", "ro"]));
    mount_all(std::slice::from_ref(&bind), &root).unwrap();
    assert!(fs::write(root.join("f"), "y").is_err());
    unmount_all(&root);

    let bad = mount(
        "bind",
        Path::new("/proc/no/such/folder"),
        &strings(&["bind"]),
    );
    assert!(mount_all(&[bind, bad], &root).is_err());
    assert!(!root.join("f").exists());
}
