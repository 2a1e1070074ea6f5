//! Flags, the configuration file and their defaults, merged into one value before anything is opened.

use std::io;
use std::path::{Path, PathBuf};

use clap::Parser;
use gantry_telemetry::{Format, Level};
use serde::Deserialize;

/// A container supervisor with containerd's gRPC services.
#[derive(Debug, Parser)]
#[command(name = "containerd-lite", version, disable_help_subcommand = true)]
pub(crate) struct Flags {
    /// Socket to listen on [default: /run/gantry/containerd/containerd.sock]
    #[arg(short, long, value_name = "PATH")]
    address: Option<PathBuf>,
    /// Directory of what must survive the machine [default: /var/lib/gantry/containerd]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Directory of what runs, on a tmpfs [default: /run/gantry/containerd]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Configuration file, in TOML with containerd's keys
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// trace, debug, info, warn, error, fatal or panic [default: info]
    #[arg(short, long, value_name = "LEVEL")]
    log_level: Option<Level>,
    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<Format>,
    /// Shim to run containers with [default: containerd-shim-lite-v2 beside this program, else in PATH]
    #[arg(long, value_name = "PATH")]
    shim: Option<PathBuf>,
    /// OCI runtime for containers that name none
    #[arg(long, value_name = "PATH")]
    default_runtime_binary: Option<String>,
    /// Append spans to FILE in Chrome's trace format
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

/// Everything that was decided.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) address: PathBuf,
    /// What must survive the machine.
    pub(crate) root: PathBuf,
    /// What runs.
    pub(crate) state: PathBuf,
    /// What is logged.
    pub(crate) level: Level,
    /// How it is logged.
    pub(crate) format: Format,
    /// The shim's binary.
    pub(crate) shim: PathBuf,
    /// The OCI runtime for containers that name none.
    pub(crate) default_runtime: Option<String>,
    /// Where spans go.
    pub(crate) trace: Option<PathBuf>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("read the configuration file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The file has a mistake, or a key this program does not know.
    #[error("{path}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// The mistake.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The file names an unknown level or format.
    #[error("{path}")]
    Word {
        /// The file.
        path: PathBuf,
        /// The word.
        #[source]
        source: gantry_telemetry::UnknownWord,
    },
    /// No shim was found.
    #[error(
        "no containerd-shim-lite-v2 beside this program or in PATH: build it, or name it with --shim"
    )]
    NoShim,
    /// A path is not absolute and cannot be made so.
    #[error("make {path} absolute")]
    Absolute {
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// containerd's file, as far as its keys mean something here.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The file's own version; all of containerd's have the keys below.
    #[serde(default, rename = "version")]
    _version: Option<u32>,
    root: Option<PathBuf>,
    state: Option<PathBuf>,
    #[serde(default)]
    grpc: Grpc,
    #[serde(default)]
    debug: Debug,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grpc {
    address: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Debug {
    level: Option<String>,
    format: Option<String>,
}

impl Config {
    /// Flags over file over defaults.
    ///
    /// # Errors
    /// The file is wrong, or no shim is found.
    pub(crate) fn load(flags: Flags) -> Result<Self, ConfigError> {
        let (file, level, format) = match &flags.config {
            None => (File::default(), None, None),
            Some(path) => read(path)?,
        };
        let pick = |flag: Option<PathBuf>, file: Option<PathBuf>, default: &str| {
            let path = flag.or(file).unwrap_or_else(|| default.into());
            std::path::absolute(&path).map_err(|source| ConfigError::Absolute { path, source })
        };
        let state = pick(flags.state, file.state, "/run/gantry/containerd")?;
        let root = pick(flags.root, file.root, "/var/lib/gantry/containerd")?;
        let beside_state = state.join("containerd.sock");
        let address = pick(
            flags.address,
            file.grpc.address,
            &beside_state.to_string_lossy(),
        )?;
        let shim = flags.shim.or_else(own_shim).ok_or(ConfigError::NoShim)?;
        Ok(Self {
            address,
            root,
            state,
            level: flags.log_level.or(level).unwrap_or_default(),
            format: flags.log_format.or(format).unwrap_or_default(),
            shim: pick(Some(shim), None, "")?,
            default_runtime: flags.default_runtime_binary,
            trace: flags.trace,
        })
    }
}

fn read(path: &Path) -> Result<(File, Option<Level>, Option<Format>), ConfigError> {
    let own = || path.to_owned();
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: own(),
        source,
    })?;
    let file: File = toml::from_str(&text).map_err(|source| ConfigError::Parse {
        path: own(),
        source: Box::new(source),
    })?;
    let word = |source| ConfigError::Word {
        path: own(),
        source,
    };
    let level = file
        .debug
        .level
        .as_deref()
        .filter(|level| !level.is_empty());
    let level = level.map(str::parse).transpose().map_err(word)?;
    let format = file
        .debug
        .format
        .as_deref()
        .filter(|format| !format.is_empty());
    let format = format.map(str::parse).transpose().map_err(word)?;
    Ok((file, level, format))
}

fn own_shim() -> Option<PathBuf> {
    const NAME: &str = "containerd-shim-lite-v2";
    let beside = std::env::current_exe().ok()?.with_file_name(NAME);
    if beside.is_file() {
        return Some(beside);
    }
    crate::shim::find(NAME)
}

#[cfg(test)]
mod tests {
    use super::{Config, ConfigError, Flags};
    use clap::Parser;
    use gantry_telemetry::Level;
    use std::path::Path;

    fn load(arguments: &[&str]) -> Result<Config, ConfigError> {
        let program = ["containerd-lite", "--shim", "/bin/true"];
        let flags = Flags::try_parse_from(program.iter().chain(arguments)).expect("flags");
        Config::load(flags)
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let file = directory.path().join("config.toml");
        let text = "version = 2\nroot = \"/r\"\nstate = \"/s\"\n[debug]\nlevel = \"debug\"\n";
        std::fs::write(&file, text).expect("written");
        let file = file.to_str().expect("UTF-8");
        let config = load(&["-c", file, "--root", "/mine"]).expect("valid");
        assert_eq!(config.root, Path::new("/mine"));
        assert_eq!(config.state, Path::new("/s"));
        assert_eq!(config.address, Path::new("/s/containerd.sock"));
        assert_eq!(config.level, Level::Debug);
        let config = load(&[]).expect("defaults");
        assert_eq!(config.root, Path::new("/var/lib/gantry/containerd"));
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let file = directory.path().join("config.toml");
        std::fs::write(&file, "oom_score = 1\n").expect("written");
        let error = load(&["-c", file.to_str().expect("UTF-8")]).expect_err("unknown key");
        assert!(
            gantry_errors::chain(&error)
                .to_string()
                .contains("oom_score")
        );
    }
}
