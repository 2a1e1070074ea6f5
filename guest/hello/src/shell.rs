//! `sh`: enough of a shell to look around: quotes, variables, `;` `&&` `||` `|` `&`, redirections,
//! `cd` `exit` `export` `exec` `wait`. No control flow, no globs, no substitution of commands: what
//! it does not know it refuses by name.

mod parse;
mod run;

use std::io::{self, BufRead, IsTerminal, Write};

use run::{Flow, Shell};

/// `sh [-c SCRIPT [ARG…]] [FILE]`: a script, a file, or the lines of stdin.
pub(crate) fn main(args: &[String]) -> u8 {
    let mut shell = Shell::default();
    match args {
        [flag, script, ..] if flag == "-c" => run_text(&mut shell, script),
        [flag] if flag == "-c" => fail("-c needs a script"),
        [file, ..] if !file.starts_with('-') => match std::fs::read_to_string(file) {
            Ok(script) => run_text(&mut shell, &script),
            Err(e) => fail(&format!("{file}: {e}")),
        },
        _ => interactive(&mut shell),
    }
}

fn fail(message: &str) -> u8 {
    let _ = writeln!(io::stderr(), "sh: {message}");
    2
}

fn run_text(shell: &mut Shell, script: &str) -> u8 {
    match parse::parse(script) {
        Ok(list) => match shell.run(&list) {
            Flow::Exit(code) => code,
            Flow::Next => shell.status(),
        },
        Err(e) => fail(&e.to_string()),
    }
}

/// Reads lines until end of file; prompts only on a terminal.
fn interactive(shell: &mut Shell) -> u8 {
    let prompts = io::stdin().is_terminal();
    let mut lines = io::stdin().lock();
    loop {
        if prompts {
            let sign = if rustix::process::geteuid().is_root() {
                '#'
            } else {
                '$'
            };
            let _ = write!(io::stdout(), "{} {sign} ", shell.directory());
            let _ = io::stdout().flush();
        }
        let mut line = String::new();
        match lines.read_line(&mut line) {
            Ok(0) => {
                if prompts {
                    let _ = writeln!(io::stdout());
                }
                return shell.status();
            }
            Ok(_) => {}
            Err(e) => return fail(&format!("stdin: {e}")),
        }
        match parse::parse(&line) {
            Ok(list) => {
                if let Flow::Exit(code) = shell.run(&list) {
                    return code;
                }
            }
            Err(e) => shell.set_status(fail(&e.to_string())),
        }
    }
}
