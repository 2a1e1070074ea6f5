//! The device filter of version 2: the rules as an eBPF program.
//!
//! The program runs at every `open` and `mknod` of a device in the group with (kind, access wanted,
//! major, minor) and says yes or no. Rules are tried from the last to the first, the first that fits
//! decides, and none means no: what the v1 lists say, read backwards.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use gantry_linux::bpf::{self, Instruction};
use rustix::fs::{Mode, OFlags};

use crate::CgroupError;
use crate::devices::{Access, Kind, Rule};

/// Replaces the group's filter in one step, so that at no moment everything is allowed or refused.
pub(crate) fn install(path: &Path, rules: &[Rule]) -> Result<(), CgroupError> {
    attach(path, rules).map_err(|source| CgroupError::DeviceFilter {
        path: path.to_owned(),
        source,
    })
}

fn attach(path: &Path, rules: &[Rule]) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let cgroup = rustix::fs::open(path, flags, Mode::empty())?;
    let program = bpf::load_device_filter(&compile(rules))?;
    let old = bpf::device_filters(cgroup.as_fd())?;
    match old.as_slice() {
        [one] => bpf::attach_device_filter(cgroup.as_fd(), program.as_fd(), Some(one.as_fd())),
        many => {
            bpf::attach_device_filter(cgroup.as_fd(), program.as_fd(), None)?;
            many.iter()
                .try_for_each(|old| bpf::detach_device_filter(cgroup.as_fd(), old.as_fd()))
        }
    }
}

const R0_RESULT: u8 = 0;
const R1_CONTEXT: u8 = 1;
const R2_KIND: u8 = 2;
const R3_ACCESS: u8 = 3;
const R4_MAJOR: u8 = 4;
const R5_MINOR: u8 = 5;

const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xb7;
const MOVE32_REGISTER: u8 = 0xbc;
const AND32: u8 = 0x54;
const SHIFT_RIGHT32: u8 = 0x74;
const JUMP32_EQUAL: u8 = 0x16;
const JUMP32_NOT_EQUAL: u8 = 0x56;
const EXIT: u8 = 0x95;

const BLOCK: i32 = 1;
const CHAR: i32 = 2;

fn compile(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        // struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }
        instruction(LOAD_WORD, R2_KIND | R1_CONTEXT << 4, 0, 0),
        instruction(MOVE32_REGISTER, R3_ACCESS | R2_KIND << 4, 0, 0),
        instruction(AND32, R2_KIND, 0, 0xffff),
        instruction(SHIFT_RIGHT32, R3_ACCESS, 0, 16),
        instruction(LOAD_WORD, R4_MAJOR | R1_CONTEXT << 4, 4, 0),
        instruction(LOAD_WORD, R5_MINOR | R1_CONTEXT << 4, 8, 0),
    ];
    for rule in rules.iter().rev() {
        let conditions = conditions(*rule);
        let decides_all = conditions.is_empty();
        program.extend(conditions);
        program.push(instruction(MOVE, R0_RESULT, 0, i32::from(rule.allow)));
        program.push(instruction(EXIT, 0, 0, 0));
        if decides_all {
            // The verifier refuses what cannot be reached.
            return program;
        }
    }
    program.push(instruction(MOVE, R0_RESULT, 0, 0));
    program.push(instruction(EXIT, 0, 0, 0));
    program
}

/// Instructions that jump over the two behind them (result, exit) unless the rule fits.
fn conditions(rule: Rule) -> Vec<Instruction> {
    let mut code = Vec::new();
    let kind = match rule.kind {
        Kind::All => None,
        Kind::Block => Some(BLOCK),
        Kind::Char => Some(CHAR),
    };
    if let Some(kind) = kind {
        code.push(instruction(JUMP32_NOT_EQUAL, R2_KIND, 0, kind));
    }
    if rule.access != Access::ALL {
        code.push(instruction(
            MOVE32_REGISTER,
            R1_CONTEXT | R3_ACCESS << 4,
            0,
            0,
        ));
        if rule.allow {
            // Allowed only if nothing else is wanted.
            let others = Access::ALL.0 & !rule.access.0;
            code.push(instruction(AND32, R1_CONTEXT, 0, i32::from(others)));
            code.push(instruction(JUMP32_NOT_EQUAL, R1_CONTEXT, 0, 0));
        } else {
            // Refused if any of it is wanted.
            code.push(instruction(AND32, R1_CONTEXT, 0, i32::from(rule.access.0)));
            code.push(instruction(JUMP32_EQUAL, R1_CONTEXT, 0, 0));
        }
    }
    for (register, number) in [(R4_MAJOR, rule.major), (R5_MINOR, rule.minor)] {
        if let Some(number) = number {
            code.push(instruction(
                JUMP32_NOT_EQUAL,
                register,
                0,
                number.cast_signed(),
            ));
        }
    }
    let length = code.len();
    for (index, one) in code.iter_mut().enumerate() {
        if matches!(one.code, JUMP32_EQUAL | JUMP32_NOT_EQUAL) {
            one.offset =
                i16::try_from(length - index + 1).expect("a rule has at most six conditions");
        }
    }
    code
}

fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction {
        code,
        registers,
        offset,
        immediate,
    }
}

#[cfg(test)]
mod tests;
