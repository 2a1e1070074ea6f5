//! Help texts.

use std::io::{self, Write};

use crate::cli::{Flag, global};
use crate::command::{VERBS, Verb};

/// What the program is and which verbs it has.
pub(crate) fn print_overview(mut out: impl Write) -> io::Result<()> {
    writeln!(
        out,
        "NAME:\n   runc-lite - OCI runtime: makes containers and runs processes in them\n"
    )?;
    writeln!(
        out,
        "USAGE:\n   runc-lite [global options] command [command options] [arguments...]\n"
    )?;
    writeln!(out, "VERSION:\n   {}\n", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "COMMANDS:")?;
    for verb in &VERBS {
        writeln!(out, "   {:<10}  {}", verb.name, verb.help)?;
    }
    writeln!(out, "\nGLOBAL OPTIONS:")?;
    print_flags(&mut out, &global::FLAGS)
}

/// One verb.
pub(crate) fn print_command(mut out: impl Write, verb: &Verb) -> io::Result<()> {
    writeln!(out, "NAME:\n   runc-lite {} - {}\n", verb.name, verb.help)?;
    writeln!(
        out,
        "USAGE:\n   runc-lite {} [command options] {}\n",
        verb.name, verb.arguments
    )?;
    writeln!(out, "OPTIONS:")?;
    print_flags(&mut out, verb.flags)
}

fn print_flags(out: &mut impl Write, flags: &[Flag]) -> io::Result<()> {
    for flag in flags {
        let value = if flag.takes_value { " value" } else { "" };
        let short = flag
            .short
            .map(|letter| format!(", -{letter}{value}"))
            .unwrap_or_default();
        writeln!(
            out,
            "   {:<34}  {}",
            format!("--{}{value}{short}", flag.name),
            flag.help
        )?;
    }
    Ok(())
}
