//! Instructions that make layers: `RUN`, `COPY` and `ADD`.

use super::action::{Action, Origin, RunStep, Script, StepMount, TransferStep};
use super::metadata::Done;
use super::stage::Evaluation;
use crate::ast::{CommandLine, Run, Text, Transfer};
use crate::error::{Fault, Meaning, MountFault};
use crate::expand::{Lexer, Variables};
use crate::heredoc;
use crate::ignore::clean;
use crate::lint::Rule;
use crate::mode::Mode;
use crate::mount::{self, MountKind};
use crate::quote::quote;
use crate::settings::History;

/// Variables that reach programs without being declared, but nothing that is kept.
const PROXIES: [&str; 5] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
];

impl Evaluation<'_> {
    pub(super) fn run_step(&mut self, run: &Run, text: &Text) -> Done {
        let (words, script) = self.program(run);
        let args = match &run.command {
            CommandLine::Exec(_) => words,
            CommandLine::Shell(_) => {
                let mut args = self.state.settings.shell();
                args.extend(words);
                args
            }
        };
        let shown = self.shown_arguments();
        let step = RunStep {
            env: self.state.variables.pairs(),
            proxy: self.proxy(),
            dir: match self.state.settings.working_dir.as_str() {
                "" => String::new(),
                dir => clean(dir),
            },
            user: self.state.settings.user.clone(),
            mounts: self.mounts(run, text)?,
            network: run.network,
            security: run.security,
            devices: run.devices.clone(),
            script,
            args,
        };
        let history = History {
            created_by: format!("RUN {shown}{} # buildkit", step.args.join(" ")),
            empty_layer: false,
        };
        Ok((Action::Run(Box::new(step)), Some(history)))
    }

    /// The words of the command, a here-document being the command itself where it is alone.
    fn program(&self, run: &Run) -> (Vec<String>, Option<Script>) {
        let line = match &run.command {
            CommandLine::Exec(words) => return (words.clone(), None),
            CommandLine::Shell(line) => line,
        };
        let Some(first) = run.documents.first() else {
            return (vec![line.clone()], None);
        };
        if heredoc::parse(line).is_none() {
            // The shell reads the documents itself.
            let mut whole = line.clone();
            for document in &run.documents {
                whole.push('\n');
                whole.push_str(&document.content);
                whole.push_str(&document.name);
            }
            return (vec![whole], None);
        }
        let body = first.body();
        if !first.content.starts_with("#!") {
            return (vec![body], None);
        }
        let path = format!("/dev/pipes/{}", first.name);
        let script = Script {
            path: path.clone(),
            text: body,
        };
        (vec![path], Some(script))
    }

    /// The arguments as the history shows them: `|1 name=value `.
    fn shown_arguments(&self) -> String {
        if self.state.arguments.is_empty() {
            return String::new();
        }
        let mut shown = format!("|{} ", self.state.arguments.len());
        for (name, value) in &self.state.arguments {
            let current = self.state.variables.value(name).map(str::to_owned);
            let value = current.or_else(|| value.clone()).unwrap_or_default();
            shown.push_str(&format!("{name}={value} "));
        }
        shown
    }

    fn proxy(&self) -> Vec<(String, String)> {
        let given = self.graph.options.build_args.iter();
        given
            .filter(|(name, _)| PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    fn mounts(&mut self, run: &Run, text: &Text) -> Result<Vec<StepMount>, Fault> {
        let mut mounts = Vec::with_capacity(run.mounts.len());
        for flag in &run.mounts {
            let mut mount = mount::parse(&flag.text, |word| {
                self.word(word, text).map_err(Failure::Word)
            })
            .map_err(Fault::from)?;
            if let Some(target) = &mount.target {
                mount.target = Some(self.absolute(target));
            }
            check_target(mount.kind, mount.target.as_deref())?;
            let origin = match (&mount.from, mount.kind) {
                (Some(from), _) => Some(self.mounted(from, mount.target.as_deref())?),
                (None, MountKind::Bind) => Some(Origin::Context),
                (None, _) => None,
            };
            mounts.push(StepMount { mount, origin });
        }
        Ok(mounts)
    }

    fn mounted(&self, from: &str, target: Option<&str>) -> Result<Origin, Fault> {
        let node = self.graph.resolve(from, false);
        let node = node.filter(|node| self.done.contains(node));
        node.map(Origin::Node).ok_or_else(|| {
            let fault = Meaning::LaterMount {
                from: from.to_owned(),
                target: target.unwrap_or_default().to_owned(),
            };
            fault.into()
        })
    }

    pub(super) fn transfer(&mut self, transfer: &Transfer, is_add: bool, text: &Text) -> Done {
        let origin = match transfer.from.as_deref().filter(|from| !from.is_empty()) {
            Some(from) => self.copied(from)?,
            None => Origin::Context,
        };
        let chmod = self.optional(transfer.chmod.as_deref(), text)?;
        let mode = match &chmod {
            Some(chmod) => Some(Mode::parse(chmod).ok_or_else(|| Meaning::Chmod(chmod.clone()))?),
            None => None,
        };
        let destination = self.word(&transfer.destination, text)?;
        let mut step = TransferStep {
            is_add,
            origin,
            sources: self.words(&transfer.sources, text)?,
            documents: self.documents(transfer, text)?,
            destination: self.destination(&destination),
            chown: self.optional(transfer.chown.as_deref(), text)?,
            chmod: mode,
            link: transfer.link,
            parents: transfer.parents,
            exclude: self.words(&transfer.exclude, text)?,
            checksum: self.optional(transfer.checksum.as_deref(), text)?,
            keep_git_dir: transfer.keep_git_dir.unwrap_or(false),
            unpack: transfer.unpack,
        };
        step.checksum = step.checksum.filter(|checksum| !checksum.is_empty());
        step.chown = step.chown.filter(|chown| !chown.is_empty());
        check_sources(&step)?;
        self.warn_of_ignored(&step, text);
        let history = History {
            created_by: created_by(&step, chmod.as_deref(), &destination),
            empty_layer: false,
        };
        Ok((Action::Transfer(Box::new(step)), Some(history)))
    }

    /// Warns of files that `.dockerignore` keeps out of the context.
    fn warn_of_ignored(&mut self, step: &TransferStep, text: &Text) {
        if step.is_add || step.origin != Origin::Context {
            return;
        }
        for source in &step.sources {
            let path = clean(&format!("/{source}"));
            let path = path.trim_start_matches('/');
            if !path.is_empty() && self.graph.options.ignored.matches(path) {
                let message = format!(
                    "Attempting to Copy file {} that is excluded by .dockerignore",
                    quote(source)
                );
                self.warn(Rule::CopyIgnoredFile, message, text.lines);
            }
        }
    }

    fn words(&mut self, words: &[String], text: &Text) -> Result<Vec<String>, Fault> {
        words.iter().map(|word| self.word(word, text)).collect()
    }

    fn optional(&mut self, word: Option<&str>, text: &Text) -> Result<Option<String>, Fault> {
        word.map(|word| self.word(word, text)).transpose()
    }

    fn documents(
        &mut self,
        transfer: &Transfer,
        text: &Text,
    ) -> Result<Vec<(String, String)>, Fault> {
        let lexer = Lexer {
            plain_quotes: true,
            ..Lexer::new('\\')
        };
        let mut documents = Vec::with_capacity(transfer.documents.len());
        for document in &transfer.documents {
            let body = document.body();
            let body = if document.expand {
                self.expanded(lexer, &body, text)?.text
            } else {
                body
            };
            documents.push((document.name.clone(), body));
        }
        Ok(documents)
    }

    fn copied(&self, from: &str) -> Result<Origin, Fault> {
        let node = self.graph.resolve(from, true);
        let node = node.filter(|node| self.done.contains(node));
        node.map(Origin::Node).ok_or_else(|| {
            let fault = Meaning::LaterStage {
                from: from.to_owned(),
                stage: self.graph.nodes()[self.node].name.clone(),
            };
            fault.into()
        })
    }

    /// An absolute path that keeps what says that it is a directory.
    fn destination(&self, path: &str) -> String {
        let mut absolute = self.absolute(path);
        let is_directory =
            path.is_empty() || path.ends_with('/') || path == "." || path.ends_with("/.");
        if is_directory && !absolute.ends_with('/') {
            absolute.push('/');
        }
        absolute
    }
}

/// Why a mount cannot be read: its own fault, or a word's.
enum Failure {
    Mount(MountFault),
    Word(Fault),
}

impl From<MountFault> for Failure {
    fn from(fault: MountFault) -> Self {
        Self::Mount(fault)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Mount(fault) => Meaning::Mount(fault).into(),
            Failure::Word(fault) => fault,
        }
    }
}

/// Secrets and agents have places of their own; anything else needs one below the root.
fn check_target(kind: MountKind, target: Option<&str>) -> Result<(), Fault> {
    if matches!(kind, MountKind::Secret | MountKind::Ssh) {
        return Ok(());
    }
    match target {
        Some(target) if target != "/" => Ok(()),
        _ => Err(Meaning::Mount(MountFault::Target("/".to_owned())).into()),
    }
}

fn check_sources(step: &TransferStep) -> Result<(), Fault> {
    if !step.is_add && step.origin == Origin::Context {
        if step.sources.iter().any(|source| is_git(source)) {
            return Err(Meaning::CopyGit.into());
        }
        if step.sources.iter().any(|source| is_url(source)) {
            return Err(Meaning::CopyUrl.into());
        }
    }
    let Some(checksum) = &step.checksum else {
        return Ok(());
    };
    if step.sources.len() != 1 {
        return Err(Meaning::ChecksumSources.into());
    }
    if !step.sources.iter().any(|source| is_remote(source)) {
        return Err(Meaning::ChecksumSource.into());
    }
    let is_digest = checksum
        .split_once(':')
        .is_some_and(|(name, hex)| !name.is_empty() && hex.len() >= 32);
    let is_commit = step.sources.iter().any(|source| is_git(source));
    if is_digest || is_commit {
        return Ok(());
    }
    Err(Meaning::ChecksumFormat.into())
}

fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

fn is_remote(source: &str) -> bool {
    is_url(source) || is_git(source)
}

/// Whether a source is a repository: by scheme, `git@` or the name's end.
fn is_git(source: &str) -> bool {
    let path = source.split(['#', '?']).next().unwrap_or(source);
    let is_web = path.starts_with("http://") || path.starts_with("https://");
    (is_web && path.ends_with(".git"))
        || ["git://", "ssh://", "git@"]
            .iter()
            .any(|start| source.starts_with(start))
}

fn created_by(step: &TransferStep, chmod: Option<&str>, destination: &str) -> String {
    let mut words = vec![if step.is_add { "ADD" } else { "COPY" }.to_owned()];
    words.extend(step.parents.then(|| "--parents".to_owned()));
    words.extend(step.chown.iter().map(|chown| format!("--chown={chown}")));
    words.extend(chmod.map(|chmod| format!("--chmod={chmod}")));
    words.extend(step.sources.iter().cloned());
    words.extend(step.documents.iter().map(|(name, _)| format!("<<{name}")));
    words.push(destination.to_owned());
    format!("{} # buildkit", words.join(" "))
}
