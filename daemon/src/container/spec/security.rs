//! `--security-opt`, `--privileged`, and the paths of `/proc` and `/sys` that are hidden.

use gantry_engine_api::HostConfig;

use super::{
    oci::Seccomp,
    seccomp::{self, ProfileError},
};
use crate::config::SeccompDefault;

const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

const READONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// A security option that cannot be used; dockerd's texts.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// Neither `no-new-privileges` nor `name=value`.
    #[error("invalid --security-opt 1: {0:?}")]
    Form(String),
    /// A name or value that does not exist.
    #[error("invalid --security-opt 2: {0:?}")]
    Unknown(String),
    /// A filter that is no JSON.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// Which system calls are filtered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Filter {
    /// The engine's default.
    #[default]
    Default,
    BuiltIn,
    Unconfined,
    /// A profile in Docker's format.
    Custom(String),
}

/// The security options, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    pub no_new_privileges: bool,
    filter: Filter,
    /// Options that are accepted and have no effect on this machine, for the caller's warnings.
    pub without_effect: Vec<String>,
}

impl Options {
    /// Reads `HostConfig.SecurityOpt`.
    ///
    /// # Errors
    /// [`SecurityError`].
    pub fn parse(host: &HostConfig) -> Result<Self, SecurityError> {
        let mut options = Self::default();
        for option in host.security_opt.iter() {
            options.add(option)?;
        }
        Ok(options)
    }

    fn add(&mut self, option: &str) -> Result<(), SecurityError> {
        if option == "no-new-privileges" {
            self.no_new_privileges = true;
            return Ok(());
        }
        if option == "disable" {
            self.without_effect.push(option.to_owned());
            return Ok(());
        }
        let (name, value) = option
            .split_once('=')
            .or_else(|| option.split_once(':'))
            .ok_or_else(|| SecurityError::Form(option.to_owned()))?;
        let unknown = || SecurityError::Unknown(option.to_owned());
        match (name, value) {
            ("no-new-privileges", value) => {
                self.no_new_privileges = parse_bool(value).ok_or_else(unknown)?;
            }
            ("seccomp", "unconfined") => self.filter = Filter::Unconfined,
            ("seccomp", "builtin") => self.filter = Filter::BuiltIn,
            ("seccomp", profile) => self.filter = Filter::Custom(profile.to_owned()),
            ("label" | "apparmor", _) => self.without_effect.push(option.to_owned()),
            // The client turns this one into empty lists of paths.
            ("systempaths", "unconfined") => {}
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// The filter for a container with these capabilities.
    pub(super) fn filter(
        &self,
        privileged: bool,
        default: &SeccompDefault,
        capabilities: &[String],
        kernel: (u32, u32),
    ) -> Result<Option<Seccomp>, SecurityError> {
        let custom = |text: &str| seccomp::custom_profile(text, capabilities, kernel);
        let built_in = || seccomp::default_profile(capabilities, kernel);
        match (&self.filter, default) {
            (Filter::Unconfined, _) => Ok(None),
            (Filter::Custom(text), _) => Ok(Some(custom(text)?)),
            (Filter::Default | Filter::BuiltIn, _) if privileged => Ok(None),
            (Filter::Default, SeccompDefault::Unconfined) => Ok(None),
            (Filter::Default, SeccompDefault::Profile(text)) => Ok(Some(custom(text)?)),
            (Filter::BuiltIn, _) | (Filter::Default, SeccompDefault::BuiltIn) => {
                Ok(Some(built_in()))
            }
        }
    }
}

/// Go's `strconv.ParseBool`.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The default hidden and read-only paths, as inspect tells them.
#[must_use]
pub fn default_paths() -> (Vec<String>, Vec<String>) {
    let owned = |list: &[&str]| list.iter().map(|&path| path.to_owned()).collect();
    (owned(&MASKED), owned(&READONLY))
}

/// Hidden and read-only paths of a container.
pub(super) fn hidden_paths(host: &HostConfig) -> (Vec<String>, Vec<String>) {
    if host.privileged {
        return (Vec::new(), Vec::new());
    }
    let (masked, readonly) = default_paths();
    let given = |list: &gantry_engine_api::List<String>, default: Vec<String>| {
        if list.is_nil() {
            default
        } else {
            list.to_vec()
        }
    };
    (
        given(&host.masked_paths, masked),
        given(&host.readonly_paths, readonly),
    )
}

#[cfg(test)]
mod tests {
    use gantry_engine_api::json::from_slice;

    use super::*;

    fn parse(options: &str) -> Result<Options, String> {
        let host: HostConfig =
            from_slice(format!("{{\"SecurityOpt\":[{options}]}}").as_bytes()).unwrap();
        Options::parse(&host).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read() {
        assert!(parse(r#""no-new-privileges""#).unwrap().no_new_privileges);
        assert!(
            !parse(r#""no-new-privileges:false""#)
                .unwrap()
                .no_new_privileges
        );
        let unconfined = parse(r#""seccomp=unconfined""#).unwrap();
        let default = SeccompDefault::BuiltIn;
        assert_eq!(
            unconfined.filter(false, &default, &[], (6, 1)).unwrap(),
            None
        );
        assert_eq!(
            parse(r#""label=disable""#).unwrap().without_effect,
            ["label=disable"]
        );
    }

    #[test]
    fn the_engines_profile_is_for_containers_that_name_none() {
        let of = |options: &str, default: SeccompDefault| {
            let filter = parse(options).unwrap().filter(false, &default, &[], (6, 1));
            filter.unwrap().map(|filter| filter.default_action)
        };
        let own = || SeccompDefault::Profile(r#"{"defaultAction":"SCMP_ACT_LOG"}"#.to_owned());
        assert_eq!(of("", own()).as_deref(), Some("SCMP_ACT_LOG"));
        assert_eq!(of("", SeccompDefault::Unconfined), None);
        let built_in = of(r#""seccomp=builtin""#, own());
        assert_eq!(built_in.as_deref(), Some("SCMP_ACT_ERRNO"));
        assert_eq!(of(r#""seccomp=unconfined""#, own()), None);
    }

    #[test]
    fn bad_options_are_refused_in_dockerds_words() {
        assert_eq!(
            parse(r#""foo""#).unwrap_err(),
            "invalid --security-opt 1: \"foo\""
        );
        assert_eq!(
            parse(r#""foo=bar""#).unwrap_err(),
            "invalid --security-opt 2: \"foo=bar\""
        );
        assert!(parse(r#""no-new-privileges:x""#).is_err());
    }
}
