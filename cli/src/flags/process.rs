//! Flags on the process: what runs, as whom, with what around it.

use gantry_engine_api::CreateRequest;

use super::env::{environment, key_values, labels};
use crate::dispatch::go_bool;

#[derive(Debug, clap::Args)]
pub(crate) struct ProcessFlags {
    /// Annotation for the OCI runtime
    #[arg(long, value_name = "map")]
    annotation: Vec<String>,
    /// Attach to STDIN, STDOUT or STDERR
    #[arg(short, long, value_name = "list", value_parser = stream)]
    pub(crate) attach: Vec<String>,
    /// The container's NIS domain name
    #[arg(long, value_name = "string")]
    domainname: Option<String>,
    /// Overwrite the image's entrypoint
    #[arg(long, value_name = "string")]
    entrypoint: Option<String>,
    /// Set an environment variable
    #[arg(short, long, value_name = "list")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "list")]
    env_file: Vec<String>,
    /// Additional groups of the user
    #[arg(long, value_name = "list")]
    group_add: Vec<String>,
    /// The container's host name
    #[arg(short = 'h', long, value_name = "string")]
    hostname: Option<String>,
    /// Run an init inside that forwards signals and reaps processes
    #[arg(long, value_name = "bool", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = go_bool)]
    init: Option<bool>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Set a label
    #[arg(short, long, value_name = "list")]
    label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "list")]
    label_file: Vec<String>,
    /// Signal that stops the container
    #[arg(long, value_name = "string")]
    stop_signal: Option<String>,
    /// Seconds to wait before the container is killed when it is stopped
    #[arg(long, value_name = "int")]
    stop_timeout: Option<i64>,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// User name or id (<name|uid>[:<group|gid>])
    #[arg(short, long, value_name = "string")]
    user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "string")]
    workdir: Option<String>,
}

fn stream(text: &str) -> Result<String, String> {
    match text.to_lowercase().as_str() {
        name @ ("stdin" | "stdout" | "stderr") => Ok(name.to_owned()),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".to_owned()),
    }
}

impl ProcessFlags {
    pub(crate) fn apply(&self, request: &mut CreateRequest) -> anyhow::Result<()> {
        let asked = |name: &str| self.attach.iter().any(|stream| stream == name);
        let all = self.attach.is_empty();
        let config = &mut request.config;
        config.attach_stdin = asked("stdin") || (all && self.interactive);
        config.attach_stdout = all || asked("stdout");
        config.attach_stderr = all || asked("stderr");
        config.tty = self.tty;
        config.open_stdin = self.interactive;
        config.stdin_once = config.open_stdin && config.attach_stdin;
        config.hostname = self.hostname.clone().unwrap_or_default();
        config.domainname = self.domainname.clone().unwrap_or_default();
        config.user = self.user.clone().unwrap_or_default();
        config.working_dir = self.workdir.clone().unwrap_or_default();
        config.env = environment(&self.env_file, &self.env)?.into();
        config.labels = labels(&self.label_file, &self.label)?.into_iter().collect();
        config.stop_signal = self.stop_signal.clone().unwrap_or_default();
        config.stop_timeout = self.stop_timeout;
        if let Some(entrypoint) = &self.entrypoint {
            // An empty one resets the image's.
            config.entrypoint = vec![entrypoint.clone()].into();
        }
        request.host_config.group_add = self.group_add.clone().into();
        request.host_config.init = self.init;
        request.host_config.annotations = key_values(&self.annotation).into_iter().collect();
        Ok(())
    }
}
