//! Signals by name and number, read as docker reads them.

use std::fmt;
use std::str::FromStr;

use crate::serde_as_string;

/// Why a text is not a signal, in dockerd's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// Neither a known name nor a number.
    #[error("invalid signal: {0}")]
    Invalid(String),
    /// A number that is no signal of Linux.
    #[error("the linux daemon does not support signal {0}")]
    Unsupported(i64),
}

/// A signal of Linux that can be sent: 1–31 and the real-time signals 34–64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// Names and numbers of Linux on x86-64 and arm64 (`signal(7)`); the first name of a number is the
/// one that is printed.
const NAMES: [(&str, u8); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
];

const RT_MIN: u8 = 34;
const RT_MAX: u8 = 64;

impl Signal {
    /// Hang up: many daemons reload on it.
    pub const HUP: Self = Self(1);
    /// Interrupt, as by Ctrl-C.
    pub const INT: Self = Self(2);
    /// Quit.
    pub const QUIT: Self = Self(3);
    /// Cannot be caught.
    pub const KILL: Self = Self(9);
    /// Ask to end: the default stop signal.
    pub const TERM: Self = Self(15);
    /// A child ended.
    pub const CHLD: Self = Self(17);
    /// Go on after a stop.
    pub const CONT: Self = Self(18);
    /// Stop; cannot be caught.
    pub const STOP: Self = Self(19);
    /// The terminal's size changed.
    pub const WINCH: Self = Self(28);

    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// A signal by its number.
    ///
    /// # Errors
    /// [`SignalError::Unsupported`] for a number that is no signal (0, 32, 33, above 64).
    pub fn from_number(number: i64) -> Result<Self, SignalError> {
        match u8::try_from(number) {
            Ok(small @ (1..=31 | RT_MIN..=RT_MAX)) => Ok(Self(small)),
            _ => Err(SignalError::Unsupported(number)),
        }
    }
}

impl FromStr for Signal {
    type Err = SignalError;

    /// A number, or a name in any case with or without `SIG`, `RTMIN+n` and `RTMAX-n` included.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || SignalError::Invalid(text.chars().take(80).collect());
        if let Ok(number) = text.parse::<i64>() {
            return if number == 0 {
                Err(invalid())
            } else {
                Self::from_number(number)
            };
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let known = NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, number)| *number);
        known
            .or_else(|| real_time(name))
            .map(Self)
            .ok_or_else(invalid)
    }
}

/// `RTMIN`, `RTMIN+1` to `RTMIN+15`, `RTMAX-14` to `RTMAX-1`, `RTMAX`: docker's table.
fn real_time(name: &str) -> Option<u8> {
    let offset = |digits: &str, most: u8| {
        let number: u8 = digits.parse().ok()?;
        ((1..=most).contains(&number) && !digits.starts_with(['0', '+'])).then_some(number)
    };
    match name {
        "RTMIN" => Some(RT_MIN),
        "RTMAX" => Some(RT_MAX),
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(digits), _) => offset(digits, 15).map(|number| RT_MIN + number),
            (_, Some(digits)) => offset(digits, 14).map(|number| RT_MAX - number),
            _ => None,
        },
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => write!(f, "SIG{name}"),
            None if self.0 == RT_MIN => f.write_str("SIGRTMIN"),
            None if self.0 == RT_MAX => f.write_str("SIGRTMAX"),
            None if self.0 <= RT_MIN + 15 => write!(f, "SIGRTMIN+{}", self.0 - RT_MIN),
            None => write!(f, "SIGRTMAX-{}", RT_MAX - self.0),
        }
    }
}

serde_as_string!(Signal);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for text in ["9", "KILL", "kill", "SIGKILL", "sigkill", "SigKill"] {
            assert_eq!(text.parse(), Ok(Signal::KILL), "{text}");
        }
        assert_eq!("SIGRTMIN+3".parse(), Signal::from_number(37));
        assert_eq!("rtmax-14".parse(), Signal::from_number(50));
        assert_eq!("IOT".parse(), Signal::from_number(6));
    }

    #[test]
    fn refusals() {
        for text in [
            "",
            "0",
            "SIG",
            "SIGSIGKILL",
            "FOO",
            "RTMIN+16",
            "RTMIN+01",
            "RTMAX-15",
            "9x",
        ] {
            assert_eq!(
                text.parse::<Signal>(),
                Err(SignalError::Invalid(text.to_owned()))
            );
        }
        for number in [-1, 32, 33, 65, 1000] {
            assert_eq!(
                number.to_string().parse::<Signal>(),
                Err(SignalError::Unsupported(number))
            );
        }
    }

    #[test]
    fn every_signal_prints_and_parses_back() {
        for signal in (1..=64).filter_map(|number| Signal::from_number(number).ok()) {
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
    }
}
