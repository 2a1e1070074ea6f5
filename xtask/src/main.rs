//! The project's habits as commands: `cargo xtask COMMAND`.
//!
//! xtask owns how the project is built, run, tested and measured; it holds nothing that a program
//! needs when it runs.

use std::process::ExitCode;

use anyhow::{Result, bail};

mod apt;
mod bare;
mod bases;
mod build;
mod command;
mod deny;
mod dependencies;
mod engine;
mod image;
mod machine;
mod peers;
mod python;
mod servers;
mod sshd;
mod test;
mod tidy;
mod vm;
mod workspace;

const HELP: &str = "\
cargo xtask COMMAND

  build                 build all programs in release, the embedded image too
  run [ARGS…]           build, start an engine under target/engine if none runs, run `gantry ARGS`;
                        without ARGS, a container from the embedded image
  test [WORD]           install what the tests need and run all of them (WORD: only those it names);
                        --quick: on debug programs, fewer instants, no virtual machine
                        --oracle: the tests of the whole stack on stock dockerd instead
                        --vm: only what runs in the virtual machine (with --oracle: on stock)
  bench [SECTION…]      measure beside the stock engines, into docs/benchmarks.md
  peers                 unpack the newest stock engines under target/peers, for comparison
  vm [--systemd] [--share DIR] [--timeout S] [--disk NAME] -- COMMAND…
                        run COMMAND as root in a small virtual machine with pure cgroup v2
  bare                  prove `run` from a clean clone in a tree that has a C linker and nothing else,
                        without any network
  deny                  licences, sources, doubled crates by cargo-deny, built at its first use
  tidy                  check the arrows between crates and the sizes of files
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(e) => {
            command::say(&format!("error: {e:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    machine::check()?;
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_else(|| "help".to_owned());
    let rest: Vec<String> = args.collect();
    if let ("build" | "bare" | "deny" | "peers" | "tidy", Some(word)) =
        (command.as_str(), rest.first())
    {
        bail!("`cargo xtask {command}` takes no arguments, not {word} either");
    }
    match command.as_str() {
        "build" => build::all().map(|_| ExitCode::SUCCESS),
        "run" => engine::run(&rest),
        "test" => test::run(&rest).map(|()| ExitCode::SUCCESS),
        "bench" => test::bench(&rest).map(|()| ExitCode::SUCCESS),
        "deny" => deny::check().map(|()| ExitCode::SUCCESS),
        "peers" => peers::fetch().map(|dir| {
            command::say(&format!("the stock engines are in {}", dir.display()));
            ExitCode::SUCCESS
        }),
        "vm" => vm::run(&rest),
        "bare" => bare::prove().map(|()| ExitCode::SUCCESS),
        "tidy" => tidy::check().map(|()| ExitCode::SUCCESS),
        "help" | "-h" | "--help" => {
            command::say(HELP);
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("there is no `cargo xtask {other}`\n\n{HELP}"),
    }
}
