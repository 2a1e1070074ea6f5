//! The program, run by a small interpreter, must say what the list of rules says.

use proptest::prelude::*;

use super::*;

/// Runs the program for one access.
fn run(program: &[Instruction], kind: i32, access: u8, major: u32, minor: u32) -> bool {
    let context = [
        (u32::from(access) << 16) | kind.cast_unsigned(),
        major,
        minor,
    ];
    let mut registers = [0_u32; 8];
    let mut at = 0;
    loop {
        let one = program[at];
        at += 1;
        let to = usize::from(one.registers & 15);
        let from = usize::from(one.registers >> 4);
        let immediate = one.immediate.cast_unsigned();
        let jump = usize::try_from(one.offset).unwrap();
        match one.code {
            LOAD_WORD => registers[to] = context[jump / 4],
            MOVE => registers[to] = immediate,
            MOVE32_REGISTER => registers[to] = registers[from],
            AND32 => registers[to] &= immediate,
            SHIFT_RIGHT32 => registers[to] >>= immediate,
            JUMP32_EQUAL if registers[to] == immediate => at += jump,
            JUMP32_NOT_EQUAL if registers[to] != immediate => at += jump,
            JUMP32_EQUAL | JUMP32_NOT_EQUAL => {}
            EXIT => return registers[0] == 1,
            code => panic!("unknown instruction {code:#x}"),
        }
    }
}

/// What the rules say, without a program.
fn meaning(rules: &[Rule], kind: i32, access: u8, major: u32, minor: u32) -> bool {
    let fits = |rule: &&Rule| {
        let kind_fits = match rule.kind {
            Kind::All => true,
            Kind::Block => kind == BLOCK,
            Kind::Char => kind == CHAR,
        };
        let access_fits = if rule.allow {
            access & !rule.access.0 == 0
        } else {
            access & rule.access.0 != 0
        };
        kind_fits
            && access_fits
            && rule.major.is_none_or(|want| want == major)
            && rule.minor.is_none_or(|want| want == minor)
    };
    rules.iter().rev().find(fits).is_some_and(|rule| rule.allow)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let kind = prop_oneof![Just(Kind::All), Just(Kind::Block), Just(Kind::Char)];
    let number = prop_oneof![Just(None), (0_u32..3).prop_map(Some)];
    (any::<bool>(), kind, number.clone(), number, 1_u8..8).prop_map(
        |(allow, kind, major, minor, access)| Rule {
            allow,
            kind,
            major,
            minor,
            access: Access(access),
        },
    )
}

proptest! {
    #[test]
    fn program_says_what_the_rules_say(rules in prop::collection::vec(any_rule(), 0..12)) {
        let program = compile(&rules);
        for kind in [BLOCK, CHAR] {
            for access in 1..8 {
                for (major, minor) in [(0, 0), (0, 1), (1, 2), (2, 2), (3, 3)] {
                    prop_assert_eq!(
                        run(&program, kind, access, major, minor),
                        meaning(&rules, kind, access, major, minor)
                    );
                }
            }
        }
    }
}
