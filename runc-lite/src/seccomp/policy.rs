//! What a profile decides, architecture by architecture.

use crate::seccomp::architecture::{self, Architecture, Calls, Named};
use crate::seccomp::{MAX_INSTRUCTIONS, SeccompError};
use crate::spec::{Seccomp, SeccompArgument};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// What the filter returns, `SECCOMP_RET_*` with its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Action(pub(crate) u32);

impl Action {
    /// For calls through an interface that the profile does not name.
    pub(crate) const BAD_ARCHITECTURE: Self = Self(KILL_THREAD);

    fn parse(name: &str, errno: Option<u32>) -> Result<Self, SeccompError> {
        let errno = errno.unwrap_or(EPERM) & 0xffff;
        Ok(Self(match name {
            "SCMP_ACT_ALLOW" => ALLOW,
            "SCMP_ACT_ERRNO" => ERRNO | errno,
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => KILL_THREAD,
            "SCMP_ACT_KILL_PROCESS" => KILL_PROCESS,
            "SCMP_ACT_LOG" => LOG,
            "SCMP_ACT_TRACE" => TRACE | errno,
            "SCMP_ACT_TRAP" => TRAP,
            "SCMP_ACT_NOTIFY" => return Err(SeccompError::Notify),
            _ => {
                return Err(SeccompError::Action {
                    name: name.to_owned(),
                });
            }
        }))
    }

    /// Whether the call is made: then a newer one is none of the filter's business.
    fn lets_pass(self) -> bool {
        matches!(self.0 & 0xffff_0000, ALLOW | LOG | TRACE)
    }
}

/// How an argument is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    /// `(argument & value) == second`.
    MaskedEqual,
}

/// One comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// 0 to 5.
    pub(crate) argument: u32,
    pub(crate) operator: Operator,
    pub(crate) value: u64,
    pub(crate) second: u64,
}

/// What is decided about one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Always(Action),
    /// The first rule whose comparisons all hold; else the default.
    ByArguments(Vec<(Vec<Comparison>, Action)>),
}

/// One architecture's table.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) architecture: Architecture,
    pub(crate) decisions: Decisions,
    /// Calls above this number (without the interface's bit, like all numbers here), with what they
    /// answer.
    pub(crate) newer: Option<(u32, Action)>,
}

/// Decisions by number, as an array: numbers are below a thousand and most calls are named.
#[derive(Debug, Clone, Default)]
pub(crate) struct Decisions {
    /// For each number the place in `list`, counted from 1; 0: nothing is decided.
    places: Vec<u16>,
    list: Vec<Decision>,
}

impl Decisions {
    /// All decisions in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Decision)> {
        let of = |place: &u16| Some(&self.list[usize::from(place.checked_sub(1)?)]);
        (0..)
            .zip(&self.places)
            .filter_map(move |(number, place)| Some((number, of(place)?)))
    }

    fn place(&mut self, number: u32) -> &mut u16 {
        let number = usize::try_from(number).expect("a call's number fits in usize");
        if self.places.len() <= number {
            self.places.resize(number + 1, 0);
        }
        &mut self.places[number]
    }

    fn set(&mut self, number: u32, at: usize) {
        let place = u16::try_from(at + 1).expect("no more decisions than calls");
        *self.place(number) = place;
    }

    fn add(&mut self, number: u32, action: Action, alternatives: &[Vec<Comparison>]) {
        let known = usize::from(*self.place(number)).checked_sub(1);
        let rules = alternatives
            .iter()
            .map(|comparisons| (comparisons.clone(), action));
        match known.map(|at| &mut self.list[at]) {
            // Of two rules without comparisons the first holds, and it beats those with.
            Some(Decision::Always(_)) => {}
            _ if alternatives.is_empty() => {
                let always = Decision::Always(action);
                let known = self.list.iter().position(|known| *known == always);
                let at = known.unwrap_or(self.list.len());
                if known.is_none() {
                    self.list.push(always);
                }
                self.set(number, at);
            }
            Some(Decision::ByArguments(known)) => known.extend(rules),
            None => {
                self.list.push(Decision::ByArguments(rules.collect()));
                self.set(number, self.list.len() - 1);
            }
        }
    }
}

/// The whole filter.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) default: Action,
    pub(crate) tables: Vec<Table>,
}

/// Reads a profile.
pub(crate) fn of(profile: &Seccomp) -> Result<Policy, SeccompError> {
    let default = Action::parse(&profile.default_action, profile.default_errno_ret)?;
    let answers_newer = !default.lets_pass() && profile.default_errno_ret != Some(ENOSYS);
    let mut tables: Vec<Table> = architectures(profile)?
        .into_iter()
        .map(|architecture| Table {
            architecture,
            decisions: Decisions::default(),
            newer: None,
        })
        .collect();
    let calls: Vec<Calls> = tables
        .iter()
        .map(|table| table.architecture.calls())
        .collect();
    let mut comparisons: usize = 0;
    for rule in &profile.syscalls {
        let action = Action::parse(&rule.action, rule.errno_ret)?;
        let alternatives = alternatives(&rule.args)?;
        // Each comparison is an instruction at least: what cannot fit is not even collected.
        comparisons += rule.args.len().saturating_mul(rule.names.len());
        if comparisons > MAX_INSTRUCTIONS {
            return Err(SeccompError::TooLong { count: comparisons });
        }
        for name in &rule.names {
            for (table, calls) in tables.iter_mut().zip(&calls) {
                let Some(number) = calls.number(name) else {
                    continue;
                };
                if answers_newer {
                    let largest = table
                        .newer
                        .map_or(number, |(largest, _)| largest.max(number));
                    table.newer = Some((largest, Action(ERRNO | ENOSYS)));
                }
                if action != default {
                    table.decisions.add(number, action, &alternatives);
                }
            }
        }
    }
    Ok(Policy { default, tables })
}

/// The machine's own interface is always filtered by the profile, named or not.
fn architectures(profile: &Seccomp) -> Result<Vec<Architecture>, SeccompError> {
    let mut list = vec![architecture::NATIVE];
    for name in &profile.architectures {
        match architecture::named(name) {
            Named::Here(architecture) if !list.contains(&architecture) => list.push(architecture),
            Named::Here(_) | Named::Elsewhere => {}
            Named::Unknown => return Err(SeccompError::Architecture { name: name.clone() }),
        }
    }
    Ok(list)
}

/// The comparisons of a rule: all at once, or one after the other if an argument appears twice.
fn alternatives(args: &[SeccompArgument]) -> Result<Vec<Vec<Comparison>>, SeccompError> {
    let all: Vec<Comparison> = args.iter().map(comparison).collect::<Result<_, _>>()?;
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let mut seen = [false; 6];
    for one in &all {
        let seen = &mut seen[one.argument as usize];
        if *seen {
            return Ok(all.iter().map(|one| vec![*one]).collect());
        }
        *seen = true;
    }
    Ok(vec![all])
}

fn comparison(argument: &SeccompArgument) -> Result<Comparison, SeccompError> {
    if argument.index > 5 {
        return Err(SeccompError::ArgumentIndex {
            index: argument.index,
        });
    }
    let operator = match argument.op.as_str() {
        "SCMP_CMP_EQ" => Operator::Equal,
        "SCMP_CMP_NE" => Operator::NotEqual,
        "SCMP_CMP_GT" => Operator::Greater,
        "SCMP_CMP_GE" => Operator::GreaterOrEqual,
        "SCMP_CMP_LT" => Operator::Less,
        "SCMP_CMP_LE" => Operator::LessOrEqual,
        "SCMP_CMP_MASKED_EQ" => Operator::MaskedEqual,
        _ => {
            return Err(SeccompError::Operator {
                name: argument.op.clone(),
            });
        }
    };
    let (value, second) = (argument.value, argument.value_two);
    Ok(Comparison {
        argument: argument.index,
        operator,
        value,
        second,
    })
}
