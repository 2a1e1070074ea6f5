//! `--change`: Dockerfile instructions that alter a configuration and run nothing.

use std::collections::BTreeMap;

use gantry_ids::Signal;

use super::words::{pairs, split};
use crate::{Healthcheck, ImageError, RunConfig, config::Empty};

/// Applies instructions in order.
///
/// # Errors
/// [`ImageError::Change`] for the first that is no instruction, not allowed here or malformed.
pub fn apply_changes(config: &mut RunConfig, changes: &[String]) -> Result<(), ImageError> {
    changes
        .iter()
        .try_for_each(|change| apply(config, change.trim()))
}

fn bad(text: impl Into<String>) -> ImageError {
    ImageError::Change(text.into())
}

fn apply(config: &mut RunConfig, change: &str) -> Result<(), ImageError> {
    let (word, rest) = change
        .split_once(char::is_whitespace)
        .unwrap_or((change, ""));
    let (word, rest) = (word.to_ascii_uppercase(), rest.trim());
    let needs_one = || bad(format!("{word} requires at least one argument"));
    if rest.is_empty()
        && matches!(
            word.as_str(),
            "ENV" | "LABEL" | "EXPOSE" | "VOLUME" | "USER"
        )
    {
        return Err(needs_one());
    }
    match word.as_str() {
        "CMD" => config.cmd = Some(command(rest)),
        "ENTRYPOINT" => config.entrypoint = Some(command(rest)),
        "ENV" => {
            for (name, value) in pairs(rest).ok_or_else(|| malformed(&word))? {
                let prefix = format!("{name}=");
                config.env.retain(|known| !known.starts_with(&prefix));
                config.env.push(format!("{name}={value}"));
            }
        }
        "LABEL" => config
            .labels
            .extend(pairs(rest).ok_or_else(|| malformed(&word))?),
        "EXPOSE" => expose(&mut config.exposed_ports, rest)?,
        "VOLUME" => {
            let paths = json_words(rest)
                .or_else(|| split(rest))
                .ok_or_else(|| malformed(&word))?;
            if paths.iter().any(String::is_empty) {
                return Err(bad("VOLUME specified can not be an empty string"));
            }
            config
                .volumes
                .extend(paths.into_iter().map(|path| (path, Empty {})));
        }
        "USER" => rest.clone_into(&mut config.user),
        "WORKDIR" => config.working_dir = join(&config.working_dir, rest)?,
        "STOPSIGNAL" => {
            rest.parse::<Signal>()
                .map_err(|error| bad(error.to_string()))?;
            rest.clone_into(&mut config.stop_signal);
        }
        "HEALTHCHECK" => config.healthcheck = Some(healthcheck(rest)?),
        "ONBUILD" => on_build(config, rest)?,
        "ADD" | "ARG" | "COPY" | "FROM" | "MAINTAINER" | "RUN" | "SHELL" => {
            return Err(bad(format!("{word} is not a valid change command")));
        }
        _ => return Err(bad(format!("unknown instruction: {word}"))),
    }
    Ok(())
}

fn malformed(word: &str) -> ImageError {
    bad(format!(
        "Syntax error - can't find = in {word:?}. Must be of the form: name=value"
    ))
}

/// The JSON form as it is, anything else for the shell.
fn command(rest: &str) -> Vec<String> {
    json_words(rest).unwrap_or_else(|| match rest {
        "" => Vec::new(),
        rest => ["/bin/sh", "-c", rest].map(str::to_owned).to_vec(),
    })
}

fn json_words(rest: &str) -> Option<Vec<String>> {
    serde_json::from_str(rest).ok()
}

/// `port[-port][/protocol]`, several of them.
fn expose(ports: &mut BTreeMap<String, Empty>, rest: &str) -> Result<(), ImageError> {
    for word in split(rest).ok_or_else(|| bad(format!("invalid containerPort: {rest}")))? {
        let wrong = || bad(format!("invalid containerPort: {word}"));
        let (range, protocol) = word.split_once('/').unwrap_or((&word, "tcp"));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let first: u16 = first.parse().map_err(|_| wrong())?;
        let last: u16 = last.parse().map_err(|_| wrong())?;
        let protocol = protocol.to_ascii_lowercase();
        if last < first || !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
            return Err(wrong());
        }
        ports.extend((first..=last).map(|port| (format!("{port}/{protocol}"), Empty {})));
    }
    Ok(())
}

/// A working directory, relative to the one before it.
fn join(before: &str, path: &str) -> Result<String, ImageError> {
    if path.is_empty() {
        return Err(bad("WORKDIR requires exactly one argument"));
    }
    let joined = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{before}/{path}")
    };
    let mut parts = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}

fn healthcheck(rest: &str) -> Result<Healthcheck, ImageError> {
    let mut check = Healthcheck::default();
    let mut rest = rest;
    while let Some(option) = rest.strip_prefix("--") {
        let (option, after) = option
            .split_once(char::is_whitespace)
            .unwrap_or((option, ""));
        rest = after.trim_start();
        let unknown = || bad(format!("unknown flag: {option}"));
        let (name, value) = option.split_once('=').ok_or_else(unknown)?;
        let wrong = || bad(format!("invalid value for --{name}: {value:?}"));
        match name {
            "interval" => check.interval = duration(value).ok_or_else(wrong)?,
            "timeout" => check.timeout = duration(value).ok_or_else(wrong)?,
            "start-period" => check.start_period = duration(value).ok_or_else(wrong)?,
            "start-interval" => check.start_interval = duration(value).ok_or_else(wrong)?,
            "retries" => check.retries = value.parse().map_err(|_| wrong())?,
            _ => return Err(unknown()),
        }
    }
    let (kind, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    match (kind.to_ascii_uppercase().as_str(), rest.trim()) {
        ("NONE", "") => check.test = vec!["NONE".to_owned()],
        ("NONE", _) => return Err(bad("HEALTHCHECK NONE takes no arguments")),
        ("CMD", "") => return Err(bad("missing command after HEALTHCHECK CMD")),
        ("CMD", rest) => {
            check.test = match json_words(rest) {
                Some(words) => [vec!["CMD".to_owned()], words].concat(),
                None => vec!["CMD-SHELL".to_owned(), rest.to_owned()],
            };
        }
        (other, _) => {
            return Err(bad(format!(
                "unknown type {other:?} in HEALTHCHECK (try CMD)"
            )));
        }
    }
    Ok(check)
}

/// Go's durations: numbers with units, such as `1m30s`, in nanoseconds.
fn duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|next: char| !next.is_ascii_digit() && next != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let after = &rest[end..];
        let units = [
            ("ns", 1.0),
            ("us", 1e3),
            ("ms", 1e6),
            ("s", 1e9),
            ("m", 6e10),
            ("h", 3.6e12),
        ];
        let (unit, factor) = units.into_iter().find(|(unit, _)| {
            after
                .strip_prefix(unit)
                .is_some_and(|then| !then.starts_with('s'))
        })?;
        nanos += number * factor;
        rest = &after[unit.len()..];
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range, compared before")]
    let whole = (!text.is_empty() && nanos < 9.2e18).then_some(nanos as i64);
    whole
}

fn on_build(config: &mut RunConfig, rest: &str) -> Result<(), ImageError> {
    let word = rest
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    match word.as_str() {
        "" => Err(bad("ONBUILD requires at least one argument")),
        "ONBUILD" => Err(bad("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")),
        "MAINTAINER" | "FROM" => Err(bad(format!("{word} isn't allowed as an ONBUILD trigger"))),
        _ => {
            config.on_build.push(rest.to_owned());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
