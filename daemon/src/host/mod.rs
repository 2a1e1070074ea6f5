//! Facts of the machine the daemon runs on, for `/info` and `/version`.

pub mod limits;

use std::path::Path;

use rustix::system::uname;

/// What does not change while the daemon runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `uname -r`.
    pub kernel: String,
    /// `uname -m`.
    pub machine: String,
    /// The host's name.
    pub name: String,
    /// `PRETTY_NAME` of os-release.
    pub os: String,
    /// `VERSION_ID` of os-release.
    pub os_version: String,
    /// Processors this process may use.
    pub cpus: usize,
    /// Bytes.
    pub memory: u64,
}

impl Host {
    /// Looks at the machine; what cannot be read is empty.
    #[must_use]
    pub fn look() -> Self {
        let names = uname();
        let release = ["/etc/os-release", "/usr/lib/os-release"];
        let release = release
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok());
        let release = release.unwrap_or_default();
        Self {
            kernel: names.release().to_string_lossy().into_owned(),
            machine: names.machine().to_string_lossy().into_owned(),
            name: names.nodename().to_string_lossy().into_owned(),
            os: release_field(&release, "PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
            os_version: release_field(&release, "VERSION_ID").unwrap_or_default(),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory: memory_bytes(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        }
    }

    /// Go's name of the architecture, which the API uses in `/version` and for images.
    #[must_use]
    pub fn go_arch(&self) -> &str {
        match self.machine.as_str() {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "armv7l" | "armv6l" => "arm",
            "i686" | "i386" => "386",
            other => other,
        }
    }
}

/// Whether a switch under /proc/sys or /sys is on (`1` or `Y`).
#[must_use]
pub fn switched_on(path: impl AsRef<Path>) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    matches!(text.trim(), "1" | "Y")
}

/// How many descriptors this process has open.
#[must_use]
pub fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// The kind of filesystem a path lies on, in the words of `/info`.
#[must_use]
pub fn filesystem(path: &Path) -> &'static str {
    let Ok(stat) = rustix::fs::statfs(path) else {
        return "unknown";
    };
    match stat.f_type {
        0xEF53 => "extfs",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0x0102_1994 => "tmpfs",
        0x2FC1_2FC1 => "zfs",
        0x794C_7630 => "overlayfs",
        _ => "unknown",
    }
}

/// A field of os-release(5), unquoted.
fn release_field(text: &str, key: &str) -> Option<String> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim().trim_matches(['"', '\'']).to_owned())
}

fn memory_bytes(meminfo: &str) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_machine_are_read() {
        let text = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID='12'\n";
        assert_eq!(
            release_field(text, "PRETTY_NAME").unwrap(),
            "Debian GNU/Linux 12"
        );
        assert_eq!(release_field(text, "VERSION_ID").unwrap(), "12");
        assert_eq!(
            memory_bytes("MemTotal:       2048 kB\nMemFree: 1 kB\n"),
            2 << 20
        );
        let host = Host::look();
        assert!(host.cpus > 0 && host.memory > 0 && !host.kernel.is_empty());
    }
}
