//! Base images, made here: there is no registry.

use std::path::Path;
use std::sync::OnceLock;

/// The name of the image that `busybox` is imported as.
pub const BUSYBOX: &str = "busybox:it";

/// A root filesystem as a tar: busybox with all its applets, users, a `/tmp`.
///
/// # Panics
/// When busybox is not installed (`cargo xtask test` installs it).
#[must_use]
pub fn busybox_tar() -> &'static [u8] {
    static TAR: OnceLock<Vec<u8>> = OnceLock::new();
    TAR.get_or_init(|| {
        let path = ["/bin/busybox", "/usr/bin/busybox"]
            .into_iter()
            .find(|p| Path::new(p).exists());
        let path = path.expect("busybox-static is not installed: run `cargo xtask test`");
        let binary = std::fs::read(path).expect("busybox can be read");
        let applets = std::process::Command::new(path)
            .arg("--list")
            .output()
            .expect("busybox runs");
        build(&binary, &String::from_utf8_lossy(&applets.stdout))
    })
}

fn build(busybox: &[u8], applets: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (dir, mode) in [
        ("bin", 0o755),
        ("etc", 0o755),
        ("root", 0o700),
        ("tmp", 0o1777),
    ] {
        entry(&mut tar, tar::EntryType::Directory, dir, mode, &[]);
    }
    entry(
        &mut tar,
        tar::EntryType::Regular,
        "bin/busybox",
        0o755,
        busybox,
    );
    for applet in applets.lines().filter(|a| *a != "busybox") {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Link);
        header.set_size(0);
        header.set_mode(0o755);
        tar.append_link(&mut header, format!("bin/{applet}"), "bin/busybox")
            .expect("a link");
    }
    let passwd = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n\
        app:x:1000:1001:app:/home/app:/bin/sh\n";
    entry(
        &mut tar,
        tar::EntryType::Regular,
        "etc/passwd",
        0o644,
        passwd,
    );
    let group = b"root:x:0:\nnogroup:x:65534:\napp:x:1001:\nextra:x:1002:app\n";
    entry(&mut tar, tar::EntryType::Regular, "etc/group", 0o644, group);
    tar.into_inner().expect("a whole archive")
}

fn entry(
    tar: &mut tar::Builder<Vec<u8>>,
    kind: tar::EntryType,
    name: &str,
    mode: u32,
    data: &[u8],
) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(data.len() as u64);
    tar.append_data(&mut header, name, data).expect("an entry");
}
