//! Docker's default system call filter, and filters given with `--security-opt seccomp=…`.
//!
//! The default's names are data (`seccomp.json`): what is always allowed, and what depends on
//! the architecture, the kernel's version or a capability. This module turns them into the flat list
//! the runtime takes; compiling it to BPF is the runtime's business.

use std::{borrow::Cow, collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use super::oci::{Arg, Seccomp, Syscall};

const ALLOW: &str = "SCMP_ACT_ALLOW";
const ERRNO: &str = "SCMP_ACT_ERRNO";
/// `AF_VSOCK`: the one address family a container may not open.
const AF_VSOCK: u64 = 40;
/// All `CLONE_NEW…` flags: `clone` may set none of them without `CAP_SYS_ADMIN`.
const CLONE_NEW_MASK: u64 = 0x7E02_0000;
const ENOSYS: u32 = 38;
const EPERM: u32 = 1;
/// Execution domains that `personality` may set: Linux, Linux32, uname 2.6 with both, and "query".
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

#[derive(Debug, Deserialize)]
struct Profile<'a> {
    #[serde(borrow)]
    allow: Vec<&'a str>,
    #[serde(borrow)]
    allow_on_x86_64: Vec<&'a str>,
    #[serde(borrow)]
    allow_from_kernel: Vec<KernelRule<'a>>,
    #[serde(borrow)]
    allow_with_capability: BTreeMap<&'a str, Vec<&'a str>>,
}

#[derive(Debug, Deserialize)]
struct KernelRule<'a> {
    major: u32,
    minor: u32,
    #[serde(borrow)]
    names: Vec<&'a str>,
}

/// Taken apart once, not at each start: it has four hundred names.
static PROFILE: LazyLock<Profile<'static>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("seccomp.json"))
        .expect("the built-in profile is checked by a test")
});

/// A profile that cannot be read; dockerd's text.
#[derive(Debug, thiserror::Error)]
#[error("decoding seccomp profile failed")]
pub struct ProfileError(#[source] serde_json::Error);

/// Docker's default filter for a container with these capabilities.
#[must_use]
pub fn default_profile(capabilities: &[String], kernel: (u32, u32)) -> Seccomp {
    let mut names = PROFILE.allow.clone();
    if cfg!(target_arch = "x86_64") {
        names.extend(&PROFILE.allow_on_x86_64);
    }
    for rule in &PROFILE.allow_from_kernel {
        if kernel >= (rule.major, rule.minor) {
            names.extend(&rule.names);
        }
    }
    for (capability, more) in &PROFILE.allow_with_capability {
        if capabilities.iter().any(|own| own == capability) {
            for name in more {
                if !names.contains(name) {
                    names.push(name);
                }
            }
        }
    }
    let mut syscalls = vec![Syscall {
        names: names.into_iter().map(Cow::Borrowed).collect(),
        action: ALLOW.to_owned(),
        ..Syscall::default()
    }];
    syscalls.push(allow_when("socket", AF_VSOCK, 0, "SCMP_CMP_NE"));
    for value in PERSONALITIES {
        syscalls.push(allow_when("personality", value, 0, "SCMP_CMP_EQ"));
    }
    if !capabilities.iter().any(|name| name == "CAP_SYS_ADMIN") {
        syscalls.push(allow_when("clone", CLONE_NEW_MASK, 0, "SCMP_CMP_MASKED_EQ"));
        // libc falls back to clone on ENOSYS; the flags of clone3 lie behind a pointer.
        syscalls.push(Syscall {
            names: vec![Cow::Borrowed("clone3")],
            action: ERRNO.to_owned(),
            errno_ret: Some(ENOSYS),
            args: Vec::new(),
        });
    }
    Seccomp {
        default_action: ERRNO.to_owned(),
        default_errno_ret: Some(EPERM),
        architectures: architectures(),
        syscalls,
        ..Seccomp::default()
    }
}

fn allow_when(name: &'static str, value: u64, value_two: u64, op: &str) -> Syscall {
    Syscall {
        names: vec![Cow::Borrowed(name)],
        action: ALLOW.to_owned(),
        errno_ret: None,
        args: vec![Arg {
            index: 0,
            value,
            value_two,
            op: op.to_owned(),
        }],
    }
}

fn architectures() -> Vec<String> {
    let names: &[&str] = if cfg!(target_arch = "x86_64") {
        &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    } else if cfg!(target_arch = "aarch64") {
        &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    } else {
        &[]
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A profile in Docker's own format (`archMap`, `includes`, `excludes`, `minKernel`, `comment`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerProfile {
    default_action: String,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    arch_map: Option<Vec<ArchMap>>,
    #[serde(default)]
    flags: Option<Vec<String>>,
    #[serde(default)]
    listener_path: String,
    #[serde(default)]
    listener_metadata: String,
    #[serde(default)]
    syscalls: Option<Vec<DockerSyscall>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: String,
    #[serde(default)]
    sub_architectures: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerSyscall {
    #[serde(default)]
    name: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    action: String,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<Arg>>,
    #[serde(default)]
    includes: Option<Filter>,
    #[serde(default)]
    excludes: Option<Filter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default)]
    caps: Option<Vec<String>>,
    #[serde(default)]
    arches: Option<Vec<String>>,
    #[serde(default)]
    min_kernel: Option<String>,
}

/// A profile the user gave, in Docker's format.
///
/// # Errors
/// [`ProfileError`] when it is not JSON of that form.
pub fn custom_profile(
    text: &str,
    capabilities: &[String],
    kernel: (u32, u32),
) -> Result<Seccomp, ProfileError> {
    let profile: DockerProfile = serde_json::from_str(text).map_err(ProfileError)?;
    let mut architectures = profile.architectures.unwrap_or_default();
    if let Some(map) = profile.arch_map {
        let native = self::architectures();
        if let Some(entry) = map
            .into_iter()
            .find(|m| native.first() == Some(&m.architecture))
        {
            architectures.push(entry.architecture);
            architectures.extend(entry.sub_architectures.unwrap_or_default());
        }
    }
    let syscalls = profile
        .syscalls
        .unwrap_or_default()
        .into_iter()
        .filter(|call| {
            let include = call
                .includes
                .as_ref()
                .is_none_or(|f| f.includes(capabilities, kernel));
            let exclude = call
                .excludes
                .as_ref()
                .is_some_and(|f| f.excludes(capabilities));
            include && !exclude
        })
        .map(|call| {
            let mut names = call.names.unwrap_or_default();
            if !call.name.is_empty() {
                names.push(call.name);
            }
            Syscall {
                names: names.into_iter().map(Cow::Owned).collect(),
                action: call.action,
                errno_ret: call.errno_ret,
                args: call.args.unwrap_or_default(),
            }
        })
        .collect();
    Ok(Seccomp {
        default_action: profile.default_action,
        default_errno_ret: profile.default_errno_ret,
        architectures,
        flags: profile.flags.unwrap_or_default(),
        listener_path: profile.listener_path,
        listener_metadata: profile.listener_metadata,
        syscalls,
    })
}

/// Go's name of this architecture, as profiles use it.
fn go_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl Filter {
    /// Every condition that is named holds.
    fn includes(&self, capabilities: &[String], kernel: (u32, u32)) -> bool {
        let arch = self
            .arches
            .as_ref()
            .is_none_or(|a| a.is_empty() || a.iter().any(|a| a == go_arch()));
        let caps = self
            .caps
            .as_ref()
            .is_none_or(|c| c.iter().all(|c| capabilities.contains(c)));
        let version = self
            .min_kernel
            .as_deref()
            .and_then(parse_kernel)
            .is_none_or(|min| kernel >= min);
        arch && caps && version
    }

    /// Any condition that is named holds.
    fn excludes(&self, capabilities: &[String]) -> bool {
        let arch = self
            .arches
            .as_ref()
            .is_some_and(|a| a.iter().any(|a| a == go_arch()));
        let caps = self
            .caps
            .as_ref()
            .is_some_and(|c| c.iter().any(|c| capabilities.contains(c)));
        arch || caps
    }
}

/// `major.minor` at the start of a kernel release.
#[must_use]
pub fn parse_kernel(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::spec::capabilities;

    fn names(caps: &[String], kernel: (u32, u32)) -> Vec<Cow<'static, str>> {
        default_profile(caps, kernel).syscalls.remove(0).names
    }

    #[test]
    fn default_depends_on_capabilities_and_kernel() {
        let default = capabilities::effective(false, &[], &[]);
        let plain = names(&default, (6, 1));
        assert!(plain.iter().any(|n| n == "chroot") && plain.iter().any(|n| n == "ptrace"));
        assert!(!plain.iter().any(|n| n == "mount" || n == "bpf"));
        assert!(!names(&default, (4, 7)).iter().any(|n| n == "ptrace"));
        let admin = names(&["CAP_SYS_ADMIN".to_owned(), "CAP_BPF".to_owned()], (6, 1));
        assert!(admin.iter().any(|n| n == "mount") && !admin.iter().any(|n| n == "chroot"));
        assert_eq!(
            admin.iter().filter(|n| *n == "bpf").count(),
            1,
            "no doubles"
        );
    }

    #[test]
    fn clone_is_narrowed_without_sys_admin() {
        let narrow = default_profile(&[], (6, 1));
        assert!(
            narrow
                .syscalls
                .iter()
                .any(|c| c.names == ["clone3"] && c.errno_ret == Some(38))
        );
        let wide = default_profile(&["CAP_SYS_ADMIN".to_owned()], (6, 1));
        assert!(!wide.syscalls.iter().any(|c| c.errno_ret.is_some()));
    }

    #[test]
    fn custom_profiles_are_filtered() {
        let text = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
            {"names":["mkdir"],"action":"SCMP_ACT_ERRNO","args":null},
            {"name":"bpf","action":"SCMP_ACT_ERRNO","excludes":{"caps":["CAP_BPF"]}},
            {"names":["ptrace"],"action":"SCMP_ACT_ERRNO","includes":{"minKernel":"7.0"}}]}"#;
        let profile = custom_profile(text, &["CAP_BPF".to_owned()], (6, 1)).unwrap();
        assert_eq!(profile.syscalls.len(), 1);
        assert_eq!(profile.syscalls[0].names, ["mkdir"]);
        assert!(custom_profile("{", &[], (6, 1)).is_err());
    }
}
