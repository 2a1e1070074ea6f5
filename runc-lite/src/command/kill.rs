//! `kill`: a signal for the first process, or for all.

use std::os::fd::AsFd;

use gantry_linux::namespace::is_first_of_its_pid_namespace;
use gantry_linux::signal;

use crate::cli::{Flag, Global, Parsed};
use crate::command::{Count, HELP, Verb, container};
use crate::error::RunError;
use crate::state::{Record, Status, open_process};

pub(crate) const KILL: Verb = Verb {
    name: "kill",
    help: "send the specified signal (default: SIGTERM) to the container's init process",
    arguments: "<container-id> [signal]",
    flags: &[
        Flag::switch("all", "send the signal to all processes of the container").short('a'),
        HELP,
    ],
    count: Count::Between(1, 2),
    enters: false,
    run: |global, parsed| Ok(kill(global, parsed).map(|()| 0)?),
};

const SIGKILL: i32 = 9;
/// By number from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

fn kill(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let (directory, record) = container::find(global, parsed.id())?;
    let number = parse_signal(parsed.rest.get(1).map_or("SIGTERM", String::as_str))?;
    let status = Status::of(&record, &directory);
    let all = parsed.has("all");
    if !status.is_alive() {
        if !all {
            return Err(RunError::NotRunning);
        }
        return Ok(record.cgroup().signal_all(number)?);
    }
    send(&record, number, all)?;
    if number == SIGKILL && status == Status::Paused {
        // On version 1 a frozen process does not even die.
        record.cgroup().thaw()?;
    }
    Ok(())
}

fn send(record: &Record, number: i32, all: bool) -> Result<(), RunError> {
    // Without a pid namespace of their own, they must be found.
    if all || (number == SIGKILL && !is_first_of_its_pid_namespace(record.pid)) {
        return Ok(record.cgroup().signal_all(number)?);
    }
    let process = open_process(record).ok_or(RunError::NotRunning)?;
    signal::send(process.as_fd(), number).map_err(RunError::Kill)
}

/// `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3`.
fn parse_signal(text: &str) -> Result<i32, RunError> {
    let unknown = || RunError::UnknownSignal {
        name: text.to_owned(),
    };
    if let Ok(number) = text.parse::<i32>() {
        return if (0..=64).contains(&number) {
            Ok(number)
        } else {
            Err(unknown())
        };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(position) = NAMES.iter().position(|known| *known == name) {
        return i32::try_from(position + 1).map_err(|_| unknown());
    }
    let real_time = |rest: &str, base: i32, sign: i32| {
        let distance = if rest.is_empty() {
            Ok(0)
        } else {
            rest[1..].parse::<i32>()
        };
        distance
            .ok()
            .map(|distance| base + sign * distance)
            .filter(|n| (34..=64).contains(n))
    };
    let number = match (name, name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        ("POLL", ..) => Some(29),
        (_, Some(rest), _) if rest.is_empty() || rest.starts_with('+') => real_time(rest, 34, 1),
        (_, _, Some(rest)) if rest.is_empty() || rest.starts_with('-') => real_time(rest, 64, -1),
        _ => None,
    };
    number.ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::parse_signal;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("9", 9),
            ("KILL", 9),
            ("SIGTERM", 15),
            ("sigwinch", 28),
            ("RTMIN+1", 35),
            ("RTMAX", 64),
        ] {
            assert_eq!(parse_signal(text).unwrap(), number, "{text}");
        }
        for text in ["FOO", "65", "-1", "RTMIN+99", "RTMIN-1", ""] {
            assert!(parse_signal(text).is_err(), "{text}");
        }
    }
}
