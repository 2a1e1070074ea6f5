//! What failed among others is run once more by itself.
//!
//! A run takes most of an hour, much of it with several engines at once. A test that fails only in
//! company, and passes alone, is a fault to be mended, in the test or in what it tests; but it says
//! little of the commit at hand. So it is named at the end, and the run stands. A test that fails
//! alone as well fails the run, and so does whatever else went wrong: a build, a crash.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command;

/// How long nothing must be printed after the end for everything to have been read.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the output of a run tells about its failures.
#[derive(Debug, Default, PartialEq, Eq)]
struct Failures {
    /// The tests' names.
    tests: Vec<String>,
    /// Test programs that ended by telling of failed tests.
    told: usize,
    /// How cargo names the test programs that failed, without their packages.
    targets: Vec<Vec<String>>,
}

impl Failures {
    /// Takes a line of what the test programs print, or of what cargo says.
    fn line(&mut self, line: &str) {
        if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            let name = name.strip_suffix(" - should panic").unwrap_or(name);
            self.tests.push(name.to_owned());
        } else if line.starts_with("test result: FAILED") {
            self.told += 1;
        } else if let Some(arguments) = line
            .strip_prefix("error: test failed, to rerun pass `")
            .and_then(|rest| rest.strip_suffix('`'))
        {
            // The package would change which features its dependencies are built with.
            let words = arguments.split_whitespace().map(str::to_owned);
            let words: Vec<_> = words.collect();
            self.targets.push(match words.as_slice() {
                [flag, _package, target @ ..] if flag == "-p" => target.to_vec(),
                _ => words,
            });
        }
    }

    /// The arguments of each further run; none when not only tests failed. A test program that runs
    /// without cargo has no target.
    fn selections(&self) -> Vec<Vec<String>> {
        let programs = self.targets.len().max(1);
        if self.tests.is_empty() || self.told != programs {
            return Vec::new();
        }
        let mut filter = vec!["--exact".to_owned(), "--test-threads=1".to_owned()];
        filter.extend(self.tests.iter().cloned());
        if self.targets.is_empty() {
            return vec![filter];
        }
        let mut targets = self.targets.clone();
        targets.sort();
        targets.dedup();
        let with_filter = |target: Vec<String>| {
            let separator = std::iter::once("--".to_owned());
            target.into_iter().chain(separator).chain(filter.clone())
        };
        targets
            .into_iter()
            .map(|target| with_filter(target).collect())
            .collect()
    }
}

/// Runs tests by the command that `with` makes of further arguments, and once more, one after another,
/// those that failed.
pub(super) fn run(with: impl Fn(&[String]) -> Result<Command>) -> Result<()> {
    if let Some(names) = unsteady(with, ours)? {
        command::say(&format!(
            "== UNSTEADY, to be mended: failed among others, passed by themselves: {names}"
        ));
    }
    Ok(())
}

/// Where what tests print goes: what came out of stdout, then what came out of stderr.
type Outputs = [Box<dyn Write + Send>; 2];

fn ours() -> Outputs {
    [Box::new(std::io::stdout()), Box::new(std::io::stderr())]
}

/// See [`run`]: the tests that passed only by themselves, if any.
fn unsteady(
    with: impl Fn(&[String]) -> Result<Command>,
    outputs: fn() -> Outputs,
) -> Result<Option<String>> {
    let (failed, failures) = watched(&mut with(&[])?, outputs())?;
    let Some(failed) = failed else {
        return Ok(None);
    };
    let selections = failures.selections();
    if selections.is_empty() {
        bail!("{failed}");
    }
    let names = failures.tests.join(", ");
    for selection in &selections {
        let [_, mut talk] = outputs();
        // Nobody reads it when ours is closed.
        let _ = writeln!(talk, "== by themselves, once more: {names}");
        command::run(&mut with(selection)?)?;
    }
    Ok(Some(names))
}

/// As `run`, of tests that cannot be told apart from here: those in the virtual machine.
pub(super) fn whole(name: &str, tests: impl Fn() -> Result<()>) -> Result<()> {
    let Err(error) = tests() else {
        return Ok(());
    };
    command::say(&format!("== once more, all of {name}: {error:#}"));
    tests()?;
    command::say(&format!(
        "== UNSTEADY, to be mended: {name} failed once and passed the second time"
    ));
    Ok(())
}

/// Runs a command and reads along; how it failed, if it did.
fn watched(
    command: &mut Command,
    [ours, ours_of_errors]: Outputs,
) -> Result<(Option<String>, Failures)> {
    let shown = command::shown(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let (tell, lines) = mpsc::channel();
    if let Some(out) = child.stdout.take() {
        let tell = tell.clone();
        thread::spawn(move || pass_on(out, ours, &tell));
    }
    if let Some(err) = child.stderr.take() {
        thread::spawn(move || pass_on(err, ours_of_errors, &tell));
    }
    let mut failures = Failures::default();
    let ended = || format!("wait for {shown}");
    loop {
        match lines.recv_timeout(LAST_WORDS) {
            Ok(line) => failures.line(line.trim_end()),
            Err(RecvTimeoutError::Disconnected) => break,
            // What a test left behind may hold the output open for ever.
            Err(RecvTimeoutError::Timeout) => {
                if child.try_wait().with_context(ended)?.is_some() {
                    break;
                }
            }
        }
    }
    let status = child.wait().with_context(ended)?;
    let failed = (!status.success()).then(|| format!("{shown} ended with {status}"));
    Ok((failed, failures))
}

fn pass_on(from: impl Read, mut to: impl Write, tell: &Sender<String>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        // Nobody reads it when ours is closed.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        if tell
            .send(String::from_utf8_lossy(&line).into_owned())
            .is_err()
        {
            return;
        }
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Failures, unsteady};

    fn read(output: &str) -> Vec<String> {
        let mut failures = Failures::default();
        output.lines().for_each(|line| failures.line(line));
        let selections = failures.selections();
        selections.into_iter().map(|s| s.join(" ")).collect()
    }

    #[test]
    fn failed_tests_are_found_and_chosen() {
        let output = "test a::b ... ok
test a::c ... FAILED
test d - should panic ... FAILED
test result: FAILED. 1 passed; 2 failed
error: test failed, to rerun pass `-p gantry-network --test it`
test e ... FAILED
test result: FAILED. 1 passed; 1 failed
error: test failed, to rerun pass `-p gantry-ids --lib`
error: 2 targets failed:";
        let filter = "-- --exact --test-threads=1 a::c d e";
        let expected = [format!("--lib {filter}"), format!("--test it {filter}")];
        assert_eq!(read(output), expected);
        assert_eq!(
            read("test a ... FAILED\ntest result: FAILED. 0 passed"),
            ["--exact --test-threads=1 a"]
        );
    }

    #[test]
    fn what_is_no_tests_failure_is_not_tried_again() {
        for output in [
            "error: could not compile `x`",
            "test a ... FAILED\nerror: test failed, to rerun pass `-p x --lib`",
            "test a ... FAILED\ntest result: FAILED. 0 passed
error: test failed, to rerun pass `-p x --lib`
error: test failed, to rerun pass `-p y --lib`",
        ] {
            assert!(read(output).is_empty(), "{output}");
        }
    }

    /// A run of one test that fails, which leaves a program behind, and then what `alone` does: the tests
    /// that were unsteady, or none where the run failed.
    fn failed_and(alone: &str) -> Option<String> {
        let output = "echo 'test a ... FAILED'; echo 'test result: FAILED. 0 passed'";
        let with = |chosen: &[String]| {
            if chosen.is_empty() {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{output}; sleep 60 & exit 101")]);
                return Ok(shell);
            }
            assert_eq!(chosen, ["--exact", "--test-threads=1", "a"]);
            Ok(Command::new(alone))
        };
        let nowhere = || [(); 2].map(|()| Box::new(std::io::sink()) as _);
        unsteady(with, nowhere).ok().flatten()
    }

    #[test]
    fn a_run_stands_if_what_failed_passes_alone() {
        assert_eq!(failed_and("true").as_deref(), Some("a"));
        assert_eq!(failed_and("false"), None);
    }
}
