//! Classic BPF, interpreted: what a system call filter says to a call.

use gantry_linux::seccomp::Instruction;

/// A call as the kernel tells the filter of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) audit: u32,
    pub(crate) number: u32,
    pub(crate) args: [u64; 6],
}

/// Runs classic BPF on `struct seccomp_data`, refusing what the kernel's checker would refuse.
pub(crate) fn interpret(program: &[Instruction], call: Call) -> u32 {
    let mut data = [0_u32; 16];
    data[0] = call.number;
    data[1] = call.audit;
    for (index, arg) in call.args.iter().enumerate() {
        data[4 + 2 * index] = half(*arg);
        data[5 + 2 * index] = half(arg >> 32);
    }
    let (mut at, mut accumulator, mut steps) = (0, 0, 0);
    loop {
        let one = program[at];
        at += 1;
        steps += 1;
        assert!(steps <= program.len(), "jumps only go forward");
        let mut branch = |holds: bool| {
            at += usize::from(if holds { one.jump_true } else { one.jump_false });
        };
        match one.code {
            0x20 => accumulator = data[one.operand as usize / 4],
            0x54 => accumulator &= one.operand,
            0x05 => at += one.operand as usize,
            0x15 => branch(accumulator == one.operand),
            0x25 => branch(accumulator > one.operand),
            0x35 => branch(accumulator >= one.operand),
            0x45 => branch(accumulator & one.operand != 0),
            0x06 => return one.operand,
            code => panic!("unknown instruction {code:#x}"),
        }
    }
}

fn half(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).expect("it was masked to 32 bits")
}
