//! `cargo xtask test`: installs what the tests need and runs all of them.
//!
//! In this order, so that what is cheap fails first: formatting, tidy, lints, the programs built as
//! users get them, the tests of all crates and of the whole stack, the whole stack's again with runc,
//! then crun, below it and gantry above it, and what needs a machine of its own in the virtual one.
//!
//! A test that fails among others is run again by itself, see [`again`].
//!
//! `--quick` leaves out the last two, builds the programs with the tests' profile, and tells tests
//! that try many instants to try a few.

mod again;
mod built;
mod guest;

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use self::built::Built;
use crate::{
    apt, bases, build, command, dependencies, peers, python, servers, sshd, tidy, workspace,
};

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Order {
    quick: bool,
    /// Stock dockerd is under test.
    oracle: bool,
    /// Only what runs in the virtual machine.
    vm: bool,
    /// Only tests whose name holds it.
    word: Option<String>,
}

impl Order {
    fn parse(args: &[String]) -> Result<Self> {
        let mut order = Self::default();
        for arg in args {
            match arg.as_str() {
                "--quick" => order.quick = true,
                "--oracle" => order.oracle = true,
                "--vm" => order.vm = true,
                flag if flag.starts_with('-') => {
                    bail!("`cargo xtask test` has no {flag}: it has --quick, --oracle and --vm")
                }
                name if order.word.is_none() => order.word = Some(name.to_owned()),
                name => bail!("`cargo xtask test` takes one word of tests' names, not {name} too"),
            }
        }
        if order.quick && (order.oracle || order.vm) {
            bail!("--quick is for the tests of ours on this machine: not with --oracle or --vm");
        }
        Ok(order)
    }
}

/// What the tests stand on.
struct Suite {
    /// The folder of the stock programs.
    peers: PathBuf,
    /// The folder of ours; none where stock dockerd is under test.
    programs: Option<PathBuf>,
    quick: bool,
}

impl Suite {
    /// How tests find the programs, and what they are told.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("GANTRY_PEERS", self.peers.display().to_string())];
        match &self.programs {
            Some(programs) => variables.push(("GANTRY_PROGRAMS", programs.display().to_string())),
            None => variables.push(("GANTRY_ORACLE", "1".to_owned())),
        }
        if self.quick {
            variables.push(("GANTRY_TEST_QUICK", "1".to_owned()));
        }
        variables
    }

    /// `cargo test` of these packages.
    fn cargo_test(&self, packages: &[&str], more: &[String]) -> Result<Command> {
        let mut cargo = workspace::cargo();
        cargo.args(["test", "--no-fail-fast"]).args(packages);
        cargo.args(more).envs(self.variables()).envs(clients()?);
        if self.quick {
            // The same as the programs were built with: nothing is built twice.
            cargo.envs(build::debug_embedded()?);
        }
        Ok(cargo)
    }

    /// Runs the tests of these packages whose name holds the word.
    fn test(&self, packages: &[&str], word: Option<&str>) -> Result<()> {
        let word: Vec<String> = word.map(str::to_owned).into_iter().collect();
        again::run(|chosen| {
            let more = if chosen.is_empty() { &word } else { chosen };
            self.cargo_test(packages, more)
        })
    }
}

/// Runs what `args` ask for.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let order = Order::parse(args)?;
    let word = order.word.as_deref();
    apt::install()?;
    if word.is_none() && !order.oracle && !order.vm {
        without_running()?;
    }
    let peers = peers::fetch()?;
    // Made beside the programs: it is mostly waiting for a mirror.
    let bases = (!order.vm).then(|| std::thread::spawn(bases::fetch));
    let suite = Suite {
        peers,
        programs: programs(&order)?,
        quick: order.quick,
    };
    if let Some(bases) = bases {
        bases.join().expect("no panic")?;
    }
    if order.vm {
        return guest::run(&suite, word);
    }
    if order.oracle {
        return step("the whole stack's tests on stock dockerd", || {
            suite.test(&["--package", "integration-tests"], word)
        });
    }
    step("tests", || suite.test(&["--workspace"], word))?;
    if order.quick || word.is_some() {
        return Ok(());
    }
    for runtime in ["runc", "crun"] {
        step(
            &format!("the whole stack's tests with {runtime}, by gantry"),
            || with_other_parts(&suite, runtime),
        )?;
    }
    guest::run(&suite, None)
}

/// The same tests with both ends changed: a stock runtime below, our command line above.
fn with_other_parts(suite: &Suite, runtime: &str) -> Result<()> {
    let program = Built::of(&["it"])?.binary("integration-tests", "it")?;
    again::run(|chosen| {
        let mut it = Command::new(&program);
        it.current_dir(workspace::root().join("integration-tests"));
        it.args(chosen).envs(suite.variables()).envs(clients()?);
        it.env("GANTRY_TEST_RUNTIME", runtime);
        it.env("GANTRY_TEST_CLIENT", "gantry");
        Ok(it)
    })
}

/// What the tests drive the engine with, besides command lines, and what they run in it.
fn clients() -> Result<[(&'static str, PathBuf); 4]> {
    Ok([
        ("GANTRY_PYTHON", python::environment()?),
        ("GANTRY_SSHD", sshd::fetch()?),
        ("GANTRY_SERVERS", servers::fetch()?),
        ("GANTRY_BASES", bases::fetch()?),
    ])
}

/// What the text alone tells.
fn without_running() -> Result<()> {
    step("formatting", || {
        command::run(workspace::cargo().args(["fmt", "--all", "--", "--check"]))
    })?;
    step("tidy", tidy::check)?;
    step("dependencies", dependencies::check)?;
    step("lints", || {
        let clippy = ["clippy", "--quiet"];
        let strict = ["--", "-Dwarnings"];
        for what in [
            &["--workspace", "--all-targets"][..],
            // No default target: it needs a machine of its own.
            &["--package", "integration-tests", "--test", "vm"],
        ] {
            command::run(workspace::cargo().args(clippy).args(what).args(strict))?;
        }
        Ok(())
    })
}

/// The programs under test, built as users get them, or fast where that is asked for.
fn programs(order: &Order) -> Result<Option<PathBuf>> {
    if order.oracle {
        return Ok(None);
    }
    let build = if order.quick {
        build::debug
    } else {
        build::all
    };
    step("programs", build).map(Some)
}

/// `cargo xtask bench`: the same preparation, then the measurements.
pub(crate) fn bench(sections: &[String]) -> Result<()> {
    apt::install()?;
    let suite = Suite {
        peers: peers::fetch()?,
        programs: Some(build::all()?),
        quick: false,
    };
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--quiet", "--release", "--bin", "bench"]);
    cargo.args(["--package", "integration-tests", "--"]);
    command::run(cargo.args(sections).envs(suite.variables()))
}

fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    command::say(&format!("== {name}"));
    let start = Instant::now();
    let result = work();
    let seconds = start.elapsed().as_secs_f64();
    let end = if result.is_ok() { "" } else { ": FAILED" };
    command::say(&format!("== {name}: {seconds:.1} s{end}"));
    result
}

#[cfg(test)]
mod tests {
    use super::Order;

    fn parse(line: &str) -> Result<Order, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Order::parse(&words).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let order = parse("--vm limits --oracle").expect("parses");
        assert!(order.vm && order.oracle && !order.quick);
        assert_eq!(order.word.as_deref(), Some("limits"));
        assert_eq!(parse(""), Ok(Order::default()));
        for wrong in ["--fast", "one two", "--quick --vm"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
