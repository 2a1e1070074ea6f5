//! `gantry completion SHELL`: a script made from the table of commands.

use anyhow::{Result, bail};
use clap::Command;
use clap_complete::Shell;

use crate::config::GlobalFlags;
use crate::context::Context;
use crate::dispatch::{Execute, all_verbs, parser};
use crate::exit::Exit;

use super::GROUPS;

/// Generate the autocompletion script for the specified shell
#[derive(Debug, clap::Args)]
pub(crate) struct Completion {
    /// Leave the descriptions out
    #[arg(long, hide = true)]
    no_descriptions: bool,
    #[arg(value_name = "SHELL")]
    args: Vec<String>,
}

impl Execute for Completion {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let shell = match self.args[0].as_str() {
            "bash" => Shell::Bash,
            "zsh" => Shell::Zsh,
            "fish" => Shell::Fish,
            "powershell" => Shell::PowerShell,
            "elvish" => Shell::Elvish,
            other => bail!(
                "completion for '{other}' is not built; there are bash, zsh, fish, powershell and elvish"
            ),
        };
        let mut script = Vec::new();
        clap_complete::generate(
            shell,
            &mut tree(&cx.program),
            cx.program.clone(),
            &mut script,
        );
        cx.printer.raw(&script)?;
        Ok(Exit::SUCCESS)
    }
}

/// Every command as one tree of clap's.
fn tree(program: &str) -> Command {
    let root = <GlobalFlags as clap::Args>::augment_args(Command::new(program.to_owned()));
    let root = root
        .disable_version_flag(true)
        .disable_help_subcommand(true);
    let groups = GROUPS.iter().map(|group| {
        let prefix = format!("{} ", group.name);
        let inner = all_verbs().filter(|verb| !verb.hidden).flat_map(|verb| {
            let names = verb
                .names
                .iter()
                .filter_map(|name| name.strip_prefix(&prefix));
            names.map(|name| leaf(name, verb)).collect::<Vec<_>>()
        });
        Command::new(group.name)
            .about(group.about)
            .subcommands(inner)
    });
    let tops = all_verbs().filter(|verb| !verb.hidden).flat_map(|verb| {
        let names = verb.names.iter().filter(|name| !name.contains(' '));
        names.map(|name| leaf(name, verb)).collect::<Vec<_>>()
    });
    root.subcommands(groups.collect::<Vec<_>>())
        .subcommands(tops.collect::<Vec<_>>())
}

fn leaf(name: &'static str, verb: &'static crate::dispatch::Verb) -> Command {
    parser(verb).name(name).about(verb.about)
}
