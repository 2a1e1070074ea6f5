//! Instructions that change settings, and `WORKDIR`.

use super::action::Action;
use super::stage::{Evaluation, settings_only};
use crate::ast::{Argument, CommandLine, Healthcheck, Kind, Pairs, Text};
use crate::error::{Fault, Meaning};
use crate::ignore::clean;
use crate::lint::{Rule, sounds_secret};
use crate::quote::{quote, quote_list};
use crate::settings::History;
use crate::{duration, port, signal};

/// What an instruction makes a solver do, and what it adds to the history.
pub(super) type Done = Result<(Action, Option<History>), Fault>;

impl Evaluation<'_> {
    pub(super) fn metadata(&mut self, kind: &Kind, text: &Text) -> Done {
        match kind {
            Kind::Arg(arguments) => self.arg(arguments, text),
            Kind::Cmd(command) => self.cmd(command, text),
            Kind::Entrypoint(command) => self.entrypoint(command, text),
            Kind::Env(pairs) => self.env(pairs, text),
            Kind::Expose(ports) => self.expose(ports, text),
            Kind::Healthcheck(check) => self.healthcheck(check, text),
            Kind::Label(pairs) => self.label(pairs, text),
            Kind::Maintainer(author) => {
                self.state.settings.author.clone_from(author);
                Ok(settings_only(format!("MAINTAINER {author}")))
            }
            Kind::Onbuild(onbuild) => {
                self.state.settings.onbuild.push(onbuild.trigger.clone());
                Ok((Action::Settings, None))
            }
            Kind::Shell(shell) => {
                self.state.settings.shell.clone_from(shell);
                Ok(settings_only(format!("SHELL [{}]", shell.join(" "))))
            }
            Kind::Stopsignal(signal) => self.stopsignal(signal, text),
            Kind::User(user) => {
                let user = self.word(user, text)?;
                self.state.settings.user.clone_from(&user);
                Ok(settings_only(format!("USER {user}")))
            }
            Kind::Volume(volumes) => self.volume(volumes, text),
            Kind::Workdir(path) => self.workdir(path, text),
            Kind::Run(_) | Kind::Copy(_) | Kind::Add(_) => Ok((Action::Settings, None)),
        }
    }

    fn pairs(&mut self, pairs: &Pairs, text: &Text) -> Result<Vec<(String, String)>, Fault> {
        let mut expanded = Vec::with_capacity(pairs.list.len());
        for (name, value) in &pairs.list {
            expanded.push((self.word(name, text)?, self.word(value, text)?));
        }
        Ok(expanded)
    }

    fn env(&mut self, pairs: &Pairs, text: &Text) -> Done {
        let pairs = self.pairs(pairs, text)?;
        for (name, value) in &pairs {
            self.warn_of_secret("ENV", name, text);
            self.state.variables.set(name, value);
            self.state.settings.set_env(name, value);
        }
        Ok(settings_only(format!("ENV {}", joined(&pairs))))
    }

    fn label(&mut self, pairs: &Pairs, text: &Text) -> Done {
        let pairs = self.pairs(pairs, text)?;
        self.state.settings.labels.extend(pairs.iter().cloned());
        Ok(settings_only(format!("LABEL {}", joined(&pairs))))
    }

    fn warn_of_secret(&mut self, instruction: &str, name: &str, text: &Text) {
        if sounds_secret(name) {
            let message = format!(
                "Do not use ARG or ENV instructions for sensitive data ({instruction} {})",
                quote(name)
            );
            self.warn(Rule::SecretsUsedInArgOrEnv, message, text.lines);
        }
    }

    /// An argument has the client's value, else its default, else the global one's.
    fn arg(&mut self, arguments: &[Argument], text: &Text) -> Done {
        let mut shown = Vec::with_capacity(arguments.len());
        for argument in arguments {
            self.warn_of_secret("ARG", &argument.name, text);
            let given = self.graph.options.build_args.get(&argument.name);
            let value = match (given, &argument.value) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(self.word(default, text)?),
                (None, None) => self.graph.globals.values.get(&argument.name).cloned(),
            };
            shown.push(match &value {
                Some(value) => format!("{}={value}", argument.name),
                None => argument.name.clone(),
            });
            let is_for_scanner = argument.name.starts_with("BUILDKIT_SBOM_SCAN_");
            if let Some(value) = value.as_ref().filter(|_| !is_for_scanner) {
                self.state.variables.set(&argument.name, value);
            }
            self.state.arguments.push((argument.name.clone(), value));
        }
        Ok(settings_only(format!("ARG {}", shown.join(" "))))
    }

    /// Warns of the earlier instruction of a kind of which only the last counts.
    fn only_last(&mut self, name: &'static str, text: &Text) {
        if let Some(earlier) = self.last_set.insert(name, text.lines) {
            let message = format!(
                "Multiple {name} instructions should not be used in the same stage because only the last one will be used"
            );
            self.warn(Rule::MultipleInstructionsDisallowed, message, earlier);
        }
    }

    fn command(&mut self, name: &str, command: &CommandLine, text: &Text) -> Vec<String> {
        match command {
            CommandLine::Exec(words) => words.clone(),
            CommandLine::Shell(line) => {
                if self.state.settings.shell.is_empty() {
                    let message = format!(
                        "JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
                    );
                    self.warn(Rule::JsonArgsRecommended, message, text.lines);
                }
                let mut words = self.state.settings.shell();
                words.push(line.clone());
                words
            }
        }
    }

    fn cmd(&mut self, command: &CommandLine, text: &Text) -> Done {
        self.only_last("CMD", text);
        let words = self.command("CMD", command, text);
        let history = settings_only(format!("CMD {}", quote_list(&words)));
        self.state.settings.cmd = Some(words).filter(|words| !words.is_empty());
        self.state.settings.args_escaped = true;
        Ok(history)
    }

    fn entrypoint(&mut self, command: &CommandLine, text: &Text) -> Done {
        self.only_last("ENTRYPOINT", text);
        let words = self.command("ENTRYPOINT", command, text);
        let history = settings_only(format!("ENTRYPOINT {}", quote_list(&words)));
        self.state.settings.entrypoint = Some(words).filter(|words| !words.is_empty());
        // A command that the base image has is not meant for this entrypoint.
        if !self.last_set.contains_key("CMD") {
            self.state.settings.cmd = None;
        }
        Ok(history)
    }

    fn healthcheck(&mut self, check: &Healthcheck, text: &Text) -> Done {
        self.only_last("HEALTHCHECK", text);
        self.state.settings.healthcheck = Some(check.clone());
        let lengths = [
            check.interval,
            check.timeout,
            check.start_period,
            check.start_interval,
        ];
        let lengths: Vec<String> = lengths
            .iter()
            .map(|length| quote(&duration::format(*length)))
            .collect();
        // Go's %q prints the number of retries as the letter with that code.
        let retries = u32::try_from(check.retries).ok().and_then(char::from_u32);
        let retries = quote(&retries.unwrap_or('\u{fffd}').to_string());
        Ok(settings_only(format!(
            "HEALTHCHECK &{{{} {} '{}'}}",
            quote_list(&check.test),
            lengths.join(" "),
            retries.trim_matches('"').replace('\'', "\\'"),
        )))
    }

    fn expose(&mut self, ports: &[String], text: &Text) -> Done {
        let mut exposed = Vec::new();
        for port in ports {
            let lexer = self.graph.lexer();
            let expanded = lexer.expand(port, &self.state.variables);
            let expanded = expanded.map_err(|reason| Meaning::Expansion {
                word: port.clone(),
                reason,
            })?;
            for word in expanded.words {
                self.check_port(&word, text);
                exposed.extend(port::parse(&word).map_err(Meaning::Port)?);
            }
        }
        let history = settings_only(format!("EXPOSE [{}]", exposed.join(" ")));
        self.state.settings.exposed_ports.extend(exposed);
        Ok(history)
    }

    fn check_port(&mut self, port: &str, text: &Text) {
        if port::names_host(port) {
            let message = format!(
                "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
            );
            self.warn(Rule::ExposeInvalidFormat, message, text.lines);
        }
        let protocol = port.split_once('/').map_or("", |(_, protocol)| protocol);
        if protocol != protocol.to_lowercase() {
            let message =
                format!("Defined protocol '{port}' in EXPOSE instruction should be lowercase");
            self.warn(Rule::ExposeProtoCasing, message, text.lines);
        }
    }

    fn stopsignal(&mut self, signal: &str, text: &Text) -> Done {
        let signal = self.word(signal, text)?;
        if !signal::is_known(&signal) {
            return Err(Meaning::Signal(signal).into());
        }
        self.state.settings.stop_signal.clone_from(&signal);
        Ok(settings_only(format!("STOPSIGNAL {signal}")))
    }

    fn volume(&mut self, volumes: &[String], text: &Text) -> Done {
        let mut expanded = Vec::with_capacity(volumes.len());
        for volume in volumes {
            let volume = self.word(volume, text)?;
            if volume.is_empty() {
                return Err(crate::Syntax::EmptyVolume.into());
            }
            expanded.push(volume);
        }
        self.state.settings.volumes.extend(expanded.iter().cloned());
        Ok(settings_only(format!("VOLUME [{}]", expanded.join(" "))))
    }

    fn workdir(&mut self, path: &str, text: &Text) -> Done {
        let path = self.word(path, text)?;
        if !self.state.has_workdir && !path.starts_with('/') {
            let message = format!(
                "Relative workdir {} can have unexpected results if the base image changes",
                quote(&path)
            );
            self.warn(Rule::WorkdirRelativePath, message, text.lines);
        }
        self.state.has_workdir = true;
        // BuildKit keeps an absolute path as it is written.
        let shown = if path.starts_with('/') {
            path.clone()
        } else {
            self.absolute(&path)
        };
        let path = self.absolute(&path);
        let created_by = format!("WORKDIR {shown}");
        self.state.settings.working_dir = shown;
        if path == "/" {
            return Ok(settings_only(created_by));
        }
        let history = History {
            created_by,
            empty_layer: false,
        };
        let user = self.state.settings.user.clone();
        Ok((Action::Directory { path, user }, Some(history)))
    }

    /// A path from the image's directory on, without `.` and `..`.
    pub(super) fn absolute(&self, path: &str) -> String {
        let joined = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{}/{path}", self.state.settings.working_dir)
        };
        clean(&joined)
    }
}

fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join(" ")
}
