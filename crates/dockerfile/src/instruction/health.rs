//! `HEALTHCHECK`.

use super::{Outcome, Request};
use crate::ast::Healthcheck;
use crate::duration;
use crate::error::Syntax;
use crate::words;

const FLAGS: [&str; 5] = [
    "interval",
    "retries",
    "start-interval",
    "start-period",
    "timeout",
];

impl Request<'_> {
    pub(super) fn healthcheck(&mut self) -> Outcome<Healthcheck> {
        let command = words::command(self.rest);
        if command.keyword.is_empty() {
            return Err(Syntax::AtLeastOneArgument("HEALTHCHECK").into());
        }
        let kind = command.keyword.to_uppercase();
        if kind == "NONE" && !command.rest.is_empty() {
            return Err(Syntax::HealthcheckNone.into());
        }
        self.flags.finish(&FLAGS)?;
        let mut check = Healthcheck {
            test: test(&kind, command.rest)?,
            interval: self.interval("interval")?,
            timeout: self.interval("timeout")?,
            start_period: self.interval("start-period")?,
            start_interval: self.interval("start-interval")?,
            retries: self.retries()?,
        };
        if kind == "NONE" {
            check = Healthcheck {
                test: check.test,
                ..Healthcheck::default()
            };
        }
        Ok(check)
    }

    fn interval(&self, flag: &'static str) -> Outcome<i64> {
        let text = self.flags.text(flag)?.unwrap_or_default();
        if text.is_empty() {
            return Ok(0);
        }
        let length = duration::parse(&text).map_err(Syntax::Duration)?;
        if length != 0 && length < 1_000_000 {
            return Err(Syntax::IntervalTooShort(flag).into());
        }
        Ok(length)
    }

    fn retries(&self) -> Outcome<i64> {
        let value = self.flags.text("retries")?.unwrap_or_default();
        if value.is_empty() {
            return Ok(0);
        }
        let is_number = value
            .trim_start_matches(['+', '-'])
            .chars()
            .all(|digit| digit.is_ascii_digit());
        match value.parse::<i32>() {
            Ok(retries) if retries < 0 => Err(Syntax::RetriesNegative(retries.into()).into()),
            Ok(retries) => Ok(retries.into()),
            Err(_) => {
                let reason = if is_number {
                    "value out of range"
                } else {
                    "invalid syntax"
                };
                Err(Syntax::Retries { value, reason }.into())
            }
        }
    }
}

fn test(kind: &str, rest: &str) -> Outcome<Vec<String>> {
    let (kind, words) = match kind {
        "NONE" => ("NONE", Vec::new()),
        "CMD" => match words::json(rest)? {
            Some(words) if !words.is_empty() => ("CMD", words),
            None if !rest.is_empty() => ("CMD-SHELL", vec![rest.to_owned()]),
            _ => return Err(Syntax::HealthcheckCommand.into()),
        },
        other => return Err(Syntax::HealthcheckType(other.to_owned()).into()),
    };
    let mut test = vec![kind.to_owned()];
    test.extend(words);
    Ok(test)
}
