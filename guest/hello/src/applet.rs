//! The applets and the table that finds them. Each takes its arguments and returns an exit code.

mod files;
mod identity;
mod serve;
mod text;

use std::io::Write;
use std::time::Duration;

/// An applet: arguments without the name, to exit code.
pub(crate) type Applet = fn(&[String]) -> u8;

/// Every name an image links to the program, in the order they are told.
pub(crate) const NAMES: &[&str] = &[
    "hello", "sh", "echo", "cat", "env", "id", "sleep", "ls", "tty", "true", "false", "yes",
    "exit", "serve",
];

/// The applet of that name.
pub(crate) fn find(name: &str) -> Option<Applet> {
    Some(match name {
        "hello" => text::hello,
        "sh" => crate::shell::main,
        "echo" => text::echo,
        "cat" => files::cat,
        "env" => identity::env,
        "id" => identity::id,
        "sleep" => sleep,
        "ls" => files::ls,
        "tty" => identity::tty,
        "true" => |_| 0,
        "false" => |_| 1,
        "yes" => text::yes,
        "exit" => exit,
        "applets" => applets,
        "serve" => serve::serve,
        _ => return None,
    })
}

/// Writes `message` to stderr as `name: message` and gives exit code 1.
fn fail(name: &str, message: &str) -> u8 {
    let _ = writeln!(std::io::stderr(), "{name}: {message}");
    1
}

/// `sleep SECONDS`: a decimal number, or `inf`.
fn sleep(args: &[String]) -> u8 {
    let Some(arg) = args.first() else {
        return fail("sleep", "how many seconds?");
    };
    if arg == "inf" || arg == "infinity" {
        loop {
            std::thread::park();
        }
    }
    match arg
        .parse::<f64>()
        .ok()
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
    {
        Some(time) => {
            std::thread::sleep(time);
            0
        }
        None => fail("sleep", &format!("'{arg}' is not a number of seconds")),
    }
}

/// `applets`: the names an image should link here, for whoever builds one.
fn applets(_: &[String]) -> u8 {
    u8::from(writeln!(std::io::stdout(), "{}", NAMES.join(" ")).is_err())
}

/// `exit N`: ends with code N (0 to 255).
fn exit(args: &[String]) -> u8 {
    match args.first().map_or(Ok(0), |a| a.parse::<u8>()) {
        Ok(code) => code,
        Err(_) => fail("exit", "the code must be a number from 0 to 255"),
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMES, find};

    #[test]
    fn every_name_finds_its_applet() {
        for name in NAMES {
            assert!(find(name).is_some(), "{name}");
        }
        assert!(find("nosuch").is_none());
    }

    #[test]
    fn exit_gives_the_code_it_is_asked_for() {
        let exit = find("exit").expect("exit is an applet");
        assert_eq!(exit(&["42".into()]), 42);
        assert_eq!(exit(&[]), 0);
        assert_eq!(exit(&["300".into()]), 1);
    }
}
