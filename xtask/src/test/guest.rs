//! The tests that run in the virtual machine: what is different where cgroups are of
//! version 2 alone, what needs capabilities that a build machine may lack, and systemd.
//!
//! The binaries are built here; the guest sees them in the shared target folder. Emulated, it is
//! about ten times slower than this machine: a part of each suite runs there, the whole of it here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};

use super::built::Built;
use super::{Suite, again, step};
use crate::vm::{self, Order};

/// Tests of runc-lite that look at cgroups, on the stock runtime too.
const RUNTIME: &[&str] = &["cgroups::"];
/// Tests of runc-lite that have systemd make the cgroups, on the stock runtime too.
const SCOPES: &[&str] = &["systemd::"];
/// Tests of the whole stack.
const STACK: &[&str] = &[
    "exec::",
    "limits::",
    "lifecycle::a_container_is_created",
    "run::output_and_exit_code",
];
/// Tests for which the machine is there.
const MACHINE: &[&str] = &["privileged::", "networks::"];

/// The word for the boots with systemd alone.
const SYSTEMD: &str = "systemd";

/// How many times longer an emulated machine may take for a thing.
const SLOWNESS: u32 = 20;
const TIMEOUT: Duration = Duration::from_secs(1200);
/// The disk that lasts from one boot of the systemd tests to the next.
const DISK: &str = SYSTEMD;

/// Runs them all, or those whose name holds the word; the word `systemd` leaves out the rest.
pub(super) fn run(suite: &Suite, word: Option<&str>) -> Result<()> {
    let built = Built::of(&["it", "vm"])?;
    if word != Some(SYSTEMD) {
        again::whole("cgroup v2", || {
            step("in the virtual machine: cgroup v2", || {
                boot(suite, &without_systemd(suite, &built, word)?, Systemd::No)
            })
        })?;
    }
    if word.is_some_and(|word| word != SYSTEMD) {
        return Ok(());
    }
    again::whole("systemd", || with_systemd(suite, &built))
}

/// What needs systemd, and a reboot: two boots with one disk.
fn with_systemd(suite: &Suite, built: &Built) -> Result<()> {
    let vm = built.binary("integration-tests", "vm")?;
    vm::forget_disk(DISK)?;
    for (name, boot_of) in [
        ("in the virtual machine: systemd", "systemd::first_boot"),
        ("in the virtual machine, again", "systemd::second_boot"),
    ] {
        let mut script = Script::new(suite);
        script.call(&vm, &["--exact".to_owned(), boot_of.to_owned()]);
        if suite.programs.is_some() && boot_of == "systemd::second_boot" {
            script.call(&built.binary("runc-lite", "it")?, &owned(SCOPES));
        }
        step(name, || boot(suite, &script, Systemd::Yes))?;
    }
    vm::forget_disk(DISK)
}

/// What one boot without systemd is enough for.
fn without_systemd(suite: &Suite, built: &Built, word: Option<&str>) -> Result<Script> {
    let filter = |usual: &[&str]| match word {
        Some(word) => vec![word.to_owned()],
        None => owned(usual),
    };
    let mut script = Script::new(suite);
    if suite.programs.is_some() {
        script.call(&built.binary("runc-lite", "it")?, &filter(RUNTIME));
    }
    script.call(&built.binary("integration-tests", "it")?, &filter(STACK));
    let mut machine = filter(MACHINE);
    machine.extend(["--skip".to_owned(), "systemd::".to_owned()]);
    script.call(&built.binary("integration-tests", "vm")?, &machine);
    Ok(script)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Systemd {
    No,
    Yes,
}

fn boot(suite: &Suite, script: &Script, systemd: Systemd) -> Result<()> {
    let order = Order {
        systemd: systemd == Systemd::Yes,
        shares: suite.folders(),
        timeout: TIMEOUT,
        disk: (systemd == Systemd::Yes).then(|| DISK.to_owned()),
        command: vec!["sh".into(), "-c".into(), script.text()],
    };
    match vm::execute(&order)? {
        0 => Ok(()),
        code => bail!("the tests in the virtual machine ended with {code}"),
    }
}

/// Runs binaries one after another, all of them, and fails if one did.
struct Script(String);

impl Script {
    fn new(suite: &Suite) -> Self {
        let mut script = Self("failed=0\n".to_owned());
        for (name, value) in suite.variables() {
            script.line(&format!("export {name}={}", quoted(&value)));
        }
        if let Some(programs) = &suite.programs {
            let runtime = programs.join("runc-lite").display().to_string();
            script.line(&format!("export RUNC_LITE={}", quoted(&runtime)));
            // It starts in a sixth of the stock client's time.
            script.line("export GANTRY_TEST_CLIENT=gantry");
        }
        script.line(&format!("export GANTRY_TEST_SLOWNESS={SLOWNESS}"));
        script.line(NEAR);
        script
    }

    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }

    fn call(&mut self, binary: &Path, args: &[String]) {
        let binary = quoted(&binary.display().to_string());
        let words: Vec<String> = args.iter().map(|a| quoted(a)).collect();
        let words = words.join(" ");
        self.line(&format!("{binary} --test-threads=3 {words} || failed=1"));
    }

    fn text(&self) -> String {
        format!("{}exit $failed\n", self.0)
    }
}

/// Programs that are called many times are copied to the guest's own disk: there they start in a
/// third of the time. The other stock programs keep their place, where their libraries are.
const NEAR: &str = "\
near() {
    mkdir -p $2
    ln -sf $1/* $2/
    for program in $3; do cp --remove-destination $1/$program $2/; done
}
near $GANTRY_PEERS/bin /var/near/peers/bin runc
near $GANTRY_PEERS/cli-plugins /var/near/peers/cli-plugins ''
export GANTRY_PEERS=/var/near/peers
if [ -n \"${GANTRY_PROGRAMS:-}\" ]; then
    near $GANTRY_PROGRAMS /var/near/programs \
        'gantry gantryd containerd-lite containerd-shim-lite-v2 runc-lite'
    export GANTRY_PROGRAMS=/var/near/programs
fi";

/// One word of the shell's.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Suite {
    /// The folders that the guest needs besides the workspace's.
    fn folders(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.peers.clone()];
        folders.extend(self.programs.clone());
        folders
    }
}
