//! Runs what `parse` made: built-in commands here, the rest as child processes.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command as Process, ExitStatus, Stdio};

use super::parse::{Command, Piece, Pipeline, Redirect, When, Word};

/// What follows a list.
pub(super) enum Flow {
    Next,
    Exit(u8),
}

/// Variables, the last exit code and the children in the background.
#[derive(Default)]
pub(super) struct Shell {
    variables: HashMap<String, String>,
    status: u8,
    background: Vec<Child>,
}

impl Shell {
    pub(super) fn status(&self) -> u8 {
        self.status
    }

    pub(super) fn set_status(&mut self, status: u8) {
        self.status = status;
    }

    pub(super) fn directory(&self) -> String {
        std::env::current_dir().map_or_else(|_| "?".into(), |d| d.display().to_string())
    }

    /// Runs the list; the last exit code is in `status`.
    pub(super) fn run(&mut self, list: &[Pipeline]) -> Flow {
        for pipeline in list {
            let runs = match pipeline.when {
                When::Always => true,
                When::Succeeded => self.status == 0,
                When::Failed => self.status != 0,
            };
            if !runs {
                continue;
            }
            match self.pipeline(pipeline) {
                Ok(Flow::Next) => {}
                Ok(exit @ Flow::Exit(_)) => return exit,
                Err((code, message)) => {
                    let _ = writeln!(io::stderr(), "sh: {message}");
                    self.status = code;
                }
            }
        }
        Flow::Next
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Result<Flow, (u8, String)> {
        if let [command] = pipeline.commands.as_slice() {
            let words = self.expand(command);
            if let Some(flow) = self.built_in(&words, command)? {
                return Ok(flow);
            }
        }
        let mut children = Vec::new();
        let mut input: Option<Stdio> = None;
        let last = pipeline.commands.len() - 1;
        for (n, command) in pipeline.commands.iter().enumerate() {
            let words = self.expand(command);
            let mut process = self.process(&words, command)?;
            if let Some(stdin) = input.take() {
                process.stdin(stdin);
            }
            if n < last {
                let (reader, writer) = io::pipe().map_err(|e| (1, format!("a pipe: {e}")))?;
                process.stdout(writer);
                input = Some(reader.into());
            }
            self.redirect(&mut process, command)?;
            children.push(process.spawn().map_err(|e| not_started(&words[0], &e))?);
        }
        if pipeline.background {
            self.background.extend(children);
            self.status = 0;
            return Ok(Flow::Next);
        }
        for mut child in children {
            let ended = child.wait().map_err(|e| (1, format!("wait: {e}")))?;
            self.status = code(ended);
        }
        Ok(Flow::Next)
    }

    /// Runs `words` here if it is a built-in; `None` if it is not.
    fn built_in(
        &mut self,
        words: &[String],
        command: &Command,
    ) -> Result<Option<Flow>, (u8, String)> {
        let Some((name, args)) = words.split_first() else {
            return Ok(Some(Flow::Next));
        };
        self.status = match name.as_str() {
            ":" => 0,
            "cd" => {
                let to = args.first().map_or("/", String::as_str);
                std::env::set_current_dir(to).map_err(|e| (1, format!("cd: {to}: {e}")))?;
                0
            }
            "exit" => {
                let code = args.first().map_or(Ok(self.status), |a| a.parse());
                return Ok(Some(Flow::Exit(code.unwrap_or(2))));
            }
            "export" => {
                self.assign_all(args);
                0
            }
            "wait" => {
                for mut child in self.background.drain(..) {
                    // A child that cannot be waited for is gone already.
                    let _ = child.wait();
                }
                0
            }
            "exec" if !args.is_empty() => {
                let mut process = self.process(args, command)?;
                self.redirect(&mut process, command)?;
                return Err(not_started(&args[0], &process.exec()));
            }
            _ if words.iter().all(|w| assignment(w).is_some()) => {
                self.assign_all(words);
                0
            }
            _ => return Ok(None),
        };
        Ok(Some(Flow::Next))
    }

    /// Every variable is exported: there is nothing to keep private here.
    fn assign_all(&mut self, words: &[String]) {
        for (name, value) in words.iter().filter_map(|w| assignment(w)) {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    fn process(&self, words: &[String], command: &Command) -> Result<Process, (u8, String)> {
        let leading = words.iter().take_while(|w| assignment(w).is_some()).count();
        let Some((name, args)) = words[leading..].split_first() else {
            return Err((2, format!("nothing to run in {command:?}")));
        };
        let mut process = if name.contains('/') || crate::applet::find(name).is_none() {
            Process::new(name)
        } else {
            // Applets work without their links, whatever PATH says.
            let mut own = Process::new("/proc/self/exe");
            own.arg0(name);
            own
        };
        process.args(args).envs(&self.variables);
        process.envs(words[..leading].iter().filter_map(|w| assignment(w)));
        Ok(process)
    }

    fn redirect(&self, process: &mut Process, command: &Command) -> Result<(), (u8, String)> {
        for redirect in &command.redirects {
            let open = |word: &Word, options: &OpenOptions| -> Result<File, (u8, String)> {
                let name = self.expand_word(word).join(" ");
                options.open(&name).map_err(|e| (1, format!("{name}: {e}")))
            };
            match redirect {
                Redirect::In(word) => {
                    process.stdin(open(word, OpenOptions::new().read(true))?);
                }
                Redirect::Out { fd, file, append } => {
                    let mut options = OpenOptions::new();
                    options
                        .create(true)
                        .write(true)
                        .append(*append)
                        .truncate(!append);
                    let file = open(file, &options)?;
                    if *fd == 2 {
                        process.stderr(file)
                    } else {
                        process.stdout(file)
                    };
                }
                Redirect::ErrorsToOut => {
                    process.stderr(io::stdout());
                }
                Redirect::OutToErrors => {
                    process.stdout(io::stderr());
                }
            }
        }
        Ok(())
    }

    fn expand(&self, command: &Command) -> Vec<String> {
        command
            .words
            .iter()
            .flat_map(|w| self.expand_word(w))
            .collect()
    }

    /// One word to as many as its unquoted variables hold.
    fn expand_word(&self, word: &Word) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut anything = false;
        for piece in word {
            match piece {
                Piece::Text(text) => {
                    anything = true;
                    append(&mut words, text);
                }
                Piece::Variable { name, quoted: true } => {
                    anything = true;
                    append(&mut words, &self.value(name));
                }
                Piece::Variable {
                    name,
                    quoted: false,
                } => {
                    for (n, part) in self.value(name).split_whitespace().enumerate() {
                        anything = true;
                        if n > 0 {
                            words.push(String::new());
                        }
                        append(&mut words, part);
                    }
                }
            }
        }
        if anything { words } else { Vec::new() }
    }

    fn value(&self, name: &str) -> String {
        match name {
            "?" => self.status.to_string(),
            "$" => std::process::id().to_string(),
            _ => self
                .variables
                .get(name)
                .cloned()
                .or_else(|| std::env::var(name).ok())
                .unwrap_or_default(),
        }
    }
}

fn append(words: &mut [String], text: &str) {
    if let Some(last) = words.last_mut() {
        last.push_str(text);
    }
}

/// `NAME=value`, where NAME is one.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let starts = name
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    (starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some((name, value))
}

fn not_started(name: &str, error: &io::Error) -> (u8, String) {
    match error.kind() {
        io::ErrorKind::NotFound => (127, format!("{name}: not found")),
        io::ErrorKind::PermissionDenied => (126, format!("{name}: permission denied")),
        _ => (126, format!("{name}: {error}")),
    }
}

/// An exit code as shells give it: 128 and the signal for a killed one.
fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|s| 128 + s))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(u8::MAX)
}
