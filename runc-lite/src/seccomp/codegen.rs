//! From decisions to BPF.
//!
//! Each architecture's table is a step function over the call's number: neighbours with the same
//! answer are one range, and the gaps are the default. The ranges become a balanced tree of `>=`
//! comparisons whose leaves return at once, so that a call costs about log2(ranges) instructions where
//! a list costs hundreds. Conditional jumps reach 255 instructions; farther ones go over a `ja`.

use gantry_linux::seccomp::Instruction;

use crate::seccomp::architecture::{Architecture, X32_BIT};
use crate::seccomp::policy::{Action, Comparison, Decision, Operator, Policy, Table};

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_EQUAL: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// A jump over more than this needs a `ja`.
const MAX_SHORT: usize = 255;

/// Numbers from `start` up to the next range's start.
struct Range<'a> {
    start: u32,
    answer: Answer<'a>,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer<'a> {
    Always(Action),
    /// Rules, and whether the interface's arguments have 32 bits.
    ByArguments(&'a [(Vec<Comparison>, Action)], bool),
}

/// Generates the whole program.
pub(crate) fn generate(policy: &Policy) -> Vec<Instruction> {
    let mut program = vec![load(ARCHITECTURE)];
    let mut groups: Vec<(u32, Vec<&Table>)> = Vec::new();
    for table in &policy.tables {
        let audit = table.architecture.audit;
        match groups.iter_mut().find(|(known, _)| *known == audit) {
            Some((_, tables)) => tables.push(table),
            None => groups.push((audit, vec![table])),
        }
    }
    for (audit, tables) in groups {
        let mut body = vec![load(NUMBER)];
        body.extend(number_space(&tables, policy.default));
        program.extend(unless(JUMP_EQUAL, audit, body.len()));
        program.extend(body);
    }
    program.push(ret(Action::BAD_ARCHITECTURE));
    program
}

/// All numbers under one audit architecture. x86_64 and x32 share one: numbers with x32's bit are an
/// unknown interface unless the profile names it.
fn number_space(tables: &[&Table], default: Action) -> Vec<Instruction> {
    let mut ranges: Vec<Range<'_>> = Vec::new();
    let mut tables: Vec<&Table> = tables.to_vec();
    tables.sort_by_key(|table| table.architecture.bit);
    for table in &tables {
        add_ranges(&mut ranges, table, default);
    }
    let has = |bit| tables.iter().any(|table| table.architecture.bit == bit);
    if is_x86_64(tables[0].architecture) && !has(X32_BIT) {
        push(
            &mut ranges,
            X32_BIT,
            Answer::Always(Action::BAD_ARCHITECTURE),
        );
    }
    tree(&ranges, default)
}

fn is_x86_64(architecture: Architecture) -> bool {
    architecture.audit == 0xc000_003e
}

fn add_ranges<'a>(ranges: &mut Vec<Range<'a>>, table: &'a Table, default: Action) {
    let bit = table.architecture.bit;
    let end = table.newer.map_or(u32::MAX, |(largest, _)| largest | bit);
    let mut next = bit;
    for (number, decision) in table.decisions.iter() {
        let number = number | bit;
        if number > end {
            break;
        }
        if number > next || ranges.is_empty() {
            push(ranges, next, Answer::Always(default));
        }
        let answer = match decision {
            Decision::Always(action) => Answer::Always(*action),
            Decision::ByArguments(rules) => Answer::ByArguments(rules, table.architecture.narrow),
        };
        push(ranges, number, answer);
        next = number + 1;
    }
    if next <= end {
        push(ranges, next, Answer::Always(default));
    }
    if let Some((largest, answer)) = table.newer {
        push(ranges, (largest | bit) + 1, Answer::Always(answer));
    }
}

/// Adds a range, or makes the last one longer.
fn push<'a>(ranges: &mut Vec<Range<'a>>, start: u32, answer: Answer<'a>) {
    if let Some(last) = ranges.last_mut() {
        if last.start == start {
            last.answer = answer;
            return;
        }
        if last.answer == answer {
            return;
        }
    }
    ranges.push(Range { start, answer });
}

fn tree(ranges: &[Range<'_>], default: Action) -> Vec<Instruction> {
    match ranges {
        [] => vec![ret(default)],
        [only] => leaf(only.answer, default),
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let high_start = high[0].start;
            let low = tree(low, default);
            let high = tree(high, default);
            let mut code = when(JUMP_GREATER_EQUAL, high_start, low.len());
            code.extend(low);
            code.extend(high);
            code
        }
    }
}

fn leaf(answer: Answer<'_>, default: Action) -> Vec<Instruction> {
    let (rules, narrow) = match answer {
        Answer::Always(action) => return vec![ret(action)],
        Answer::ByArguments(rules, narrow) => (rules, narrow),
    };
    let mut code = Vec::new();
    for (comparisons, action) in rules {
        let mut rule = Rule::default();
        for comparison in comparisons {
            rule.compare(*comparison, narrow);
        }
        rule.code.push(ret(*action));
        code.extend(rule.finish());
    }
    code.push(ret(default));
    code
}

/// Jumps over the next `distance` instructions if the comparison holds.
fn when(code: u16, operand: u32, distance: usize) -> Vec<Instruction> {
    match u8::try_from(distance) {
        Ok(distance) => vec![jump(code, operand, distance, 0)],
        Err(_) => vec![jump(code, operand, 0, 1), jump_always(distance)],
    }
}

/// Jumps over the next `distance` instructions if the comparison does not hold.
fn unless(code: u16, operand: u32, distance: usize) -> Vec<Instruction> {
    match u8::try_from(distance) {
        Ok(distance) => vec![jump(code, operand, 0, distance)],
        Err(_) => vec![jump(code, operand, 1, 0), jump_always(distance)],
    }
}

/// One rule with comparisons: where one does not hold, the rest of the rule is jumped over.
#[derive(Default)]
struct Rule {
    code: Vec<Instruction>,
    /// Jumps that lead to the end of the rule: position, and whether by the true branch.
    to_end: Vec<(usize, bool)>,
}

impl Rule {
    fn compare(&mut self, comparison: Comparison, narrow: bool) {
        let offset = ARGUMENTS + 8 * comparison.argument;
        let (low, high) = halves(comparison.value);
        if comparison.operator == Operator::MaskedEqual {
            let (second_low, second_high) = halves(comparison.second);
            if !narrow {
                self.masked(offset + 4, high, second_high);
            }
            self.masked(offset, low, second_low);
            return;
        }
        // `decided` are jumps to the end of this comparison, where the high half says it all.
        let mut decided = Vec::new();
        if !narrow {
            self.code.push(load(offset + 4));
            self.high_half(comparison.operator, high, &mut decided);
        }
        self.code.push(load(offset));
        match comparison.operator {
            Operator::Equal => self.end_unless(JUMP_EQUAL, low),
            Operator::NotEqual => self.end_when(JUMP_EQUAL, low),
            Operator::Greater => self.end_unless(JUMP_GREATER, low),
            Operator::GreaterOrEqual => self.end_unless(JUMP_GREATER_EQUAL, low),
            Operator::Less => self.end_when(JUMP_GREATER_EQUAL, low),
            Operator::LessOrEqual => self.end_when(JUMP_GREATER, low),
            Operator::MaskedEqual => unreachable!("compared above"),
        }
        let end = self.code.len();
        for (at, by_true) in decided {
            self.patch(at, by_true, end);
        }
    }

    fn high_half(&mut self, operator: Operator, high: u32, decided: &mut Vec<(usize, bool)>) {
        let mut decide = |rule: &mut Self, code, by_true| {
            decided.push((rule.code.len(), by_true));
            rule.code.push(jump(code, high, 0, 0));
        };
        match operator {
            Operator::Equal => self.end_unless(JUMP_EQUAL, high),
            Operator::NotEqual => decide(self, JUMP_EQUAL, false),
            Operator::Greater | Operator::GreaterOrEqual => {
                decide(self, JUMP_GREATER, true);
                self.end_unless(JUMP_EQUAL, high);
            }
            Operator::Less | Operator::LessOrEqual => {
                self.end_when(JUMP_GREATER, high);
                decide(self, JUMP_EQUAL, false);
            }
            Operator::MaskedEqual => unreachable!("compared elsewhere"),
        }
    }

    fn masked(&mut self, offset: u32, mask: u32, wanted: u32) {
        self.code.push(load(offset));
        self.code.push(Instruction {
            code: AND,
            jump_true: 0,
            jump_false: 0,
            operand: mask,
        });
        self.end_unless(JUMP_EQUAL, wanted);
    }

    fn end_when(&mut self, code: u16, operand: u32) {
        self.to_end.push((self.code.len(), true));
        self.code.push(jump(code, operand, 0, 0));
    }

    fn end_unless(&mut self, code: u16, operand: u32) {
        self.to_end.push((self.code.len(), false));
        self.code.push(jump(code, operand, 0, 0));
    }

    fn patch(&mut self, at: usize, by_true: bool, target: usize) {
        let distance = target - at - 1;
        debug_assert!(distance <= MAX_SHORT);
        let distance = u8::try_from(distance).expect("six comparisons are 49 instructions at most");
        let jump = &mut self.code[at];
        if by_true {
            jump.jump_true = distance;
        } else {
            jump.jump_false = distance;
        }
    }

    fn finish(mut self) -> Vec<Instruction> {
        let end = self.code.len();
        for (at, by_true) in std::mem::take(&mut self.to_end) {
            self.patch(at, by_true, end);
        }
        self.code
    }
}

fn halves(value: u64) -> (u32, u32) {
    let [low, high] = [value & 0xffff_ffff, value >> 32];
    let half = |half: u64| u32::try_from(half).expect("it was masked to 32 bits");
    (half(low), half(high))
}

fn load(offset: u32) -> Instruction {
    Instruction {
        code: LOAD,
        jump_true: 0,
        jump_false: 0,
        operand: offset,
    }
}

fn jump(code: u16, operand: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction {
        code,
        jump_true,
        jump_false,
        operand,
    }
}

fn jump_always(distance: usize) -> Instruction {
    let operand = u32::try_from(distance).unwrap_or(u32::MAX);
    Instruction {
        code: JUMP,
        jump_true: 0,
        jump_false: 0,
        operand,
    }
}

fn ret(action: Action) -> Instruction {
    Instruction {
        code: RETURN,
        jump_true: 0,
        jump_false: 0,
        operand: action.0,
    }
}
