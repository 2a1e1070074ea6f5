//! Programs are run by a small interpreter and compared with what the profile says, rule by rule.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::spec::{SeccompArgument, SeccompRule, Spec};

#[path = "../../tests/it/bpf.rs"]
mod bpf;

use bpf::{Call, interpret};

const X86_64: u32 = 0xc000_003e;
const X86: u32 = 0x4000_0003;

fn action(name: &str, errno: Option<u32>) -> u32 {
    match name {
        "SCMP_ACT_ALLOW" => 0x7fff_0000,
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        "SCMP_ACT_ERRNO" => 0x0005_0000 | errno.unwrap_or(1),
        "SCMP_ACT_KILL_PROCESS" => 0x8000_0000,
        "SCMP_ACT_TRAP" => 0x0003_0000,
        other => panic!("{other}"),
    }
}

fn holds(argument: &SeccompArgument, call: Call) -> bool {
    let mut actual = call.args[argument.index as usize];
    let (mut value, mut second) = (argument.value, argument.value_two);
    if call.audit == X86 {
        (actual, value, second) = (
            actual & 0xffff_ffff,
            value & 0xffff_ffff,
            second & 0xffff_ffff,
        );
    }
    match argument.op.as_str() {
        "SCMP_CMP_EQ" => actual == value,
        "SCMP_CMP_NE" => actual != value,
        "SCMP_CMP_GT" => actual > value,
        "SCMP_CMP_GE" => actual >= value,
        "SCMP_CMP_LT" => actual < value,
        "SCMP_CMP_LE" => actual <= value,
        "SCMP_CMP_MASKED_EQ" => actual & value == second,
        other => panic!("{other}"),
    }
}

fn fits(rule: &SeccompRule, call: Call) -> bool {
    let mut indexes: Vec<u32> = rule.args.iter().map(|arg| arg.index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    let same_twice = indexes.len() < rule.args.len();
    let mut each = rule.args.iter().map(|arg| holds(arg, call));
    if same_twice {
        each.any(|holds| holds)
    } else {
        each.all(|holds| holds)
    }
}

/// What the profile says of a call through an interface that it names, without any program.
fn meaning(profile: &Seccomp, number_of: fn(&str) -> Option<u32>, call: Call) -> u32 {
    let default = action(&profile.default_action, profile.default_errno_ret);
    let numbers = |rule: &SeccompRule| -> Vec<u32> {
        rule.names
            .iter()
            .filter_map(|name| number_of(name))
            .collect()
    };
    let about = |rule: &&SeccompRule| numbers(rule).contains(&call.number);
    let largest = profile.syscalls.iter().flat_map(numbers).max();
    let refuses =
        profile.default_action != "SCMP_ACT_ALLOW" && profile.default_action != "SCMP_ACT_LOG";
    if refuses && largest.is_some_and(|largest| call.number > largest) {
        return 0x0005_0000 | 38;
    }
    let says = |rule: &&SeccompRule| action(&rule.action, rule.errno_ret) != default;
    let rules = || profile.syscalls.iter().filter(about).filter(says);
    let plain = rules().find(|rule| rule.args.is_empty());
    let rule = plain.or_else(|| rules().find(|rule| fits(rule, call)));
    rule.map_or(default, |rule| action(&rule.action, rule.errno_ret))
}

fn calls_of(name: &str) -> architecture::Calls {
    match architecture::named(name) {
        architecture::Named::Here(here) => here.calls(),
        _ => panic!("{name} is an interface of this machine"),
    }
}

fn number_x86_64(name: &str) -> Option<u32> {
    static CALLS: LazyLock<architecture::Calls> = LazyLock::new(|| calls_of("SCMP_ARCH_X86_64"));
    CALLS.number(name)
}

fn number_x86(name: &str) -> Option<u32> {
    static CALLS: LazyLock<architecture::Calls> = LazyLock::new(|| calls_of("SCMP_ARCH_X86"));
    CALLS.number(name)
}

fn docker_profile() -> Seccomp {
    let text = include_str!("../../tests/fixtures/docker-config.json");
    serde_json::from_str::<Spec>(text)
        .unwrap()
        .linux
        .seccomp
        .unwrap()
}

#[cfg(target_arch = "x86_64")]
#[test]
fn docker_s_profile_on_every_call() {
    let profile = docker_profile();
    let (program, flags) = compile(&profile, &mut Vec::new()).unwrap();
    assert_eq!(flags, 0);
    assert!(program.len() < 800, "{} instructions", program.len());
    let interesting = [
        0,
        1,
        8,
        0x20000,
        0x20008,
        0xffff_ffff,
        0x7e02_0000,
        0x1000_0000,
        u64::MAX,
    ];
    for number in (0..600).chain([1000, 0x3fff_ffff]) {
        for first in interesting {
            let args = [first, 0, 0, 0, 0, 0];
            let call = Call {
                audit: X86_64,
                number,
                args,
            };
            assert_eq!(
                interpret(&program, call),
                meaning(&profile, number_x86_64, call),
                "{call:x?}"
            );
            let call = Call {
                audit: X86,
                number,
                args: [first & 0xffff_ffff, 0, 0, 0, 0, 0],
            };
            assert_eq!(
                interpret(&program, call),
                meaning(&profile, number_x86, call),
                "{call:x?}"
            );
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn x32_is_another_interface() {
    let mut profile = docker_profile();
    let x32_bit = architecture::X32_BIT;
    let (program, _) = compile(&profile, &mut Vec::new()).unwrap();
    let call = |number: u32| Call {
        audit: X86_64,
        number,
        args: [0; 6],
    };
    assert_eq!(interpret(&program, call(x32_bit)), 0x7fff_0000, "read");
    assert_eq!(
        interpret(&program, call(x32_bit | 512)),
        0x7fff_0000,
        "rt_sigaction of x32"
    );
    profile.architectures.retain(|name| name != "SCMP_ARCH_X32");
    let (program, _) = compile(&profile, &mut Vec::new()).unwrap();
    assert_eq!(interpret(&program, call(x32_bit)), 0, "killed");
    assert_eq!(interpret(&program, call(u32::MAX)), 0, "killed");
    assert_eq!(interpret(&program, call(0)), 0x7fff_0000, "read");
}

#[test]
fn unknown_interfaces_are_killed() {
    let (program, _) = compile(&docker_profile(), &mut Vec::new()).unwrap();
    let call = Call {
        audit: 0x1234_5678,
        number: 0,
        args: [0; 6],
    };
    assert_eq!(interpret(&program, call), 0);
}

#[test]
fn what_cannot_be_compiled_is_said() {
    let rule = |action: &str, args: Vec<SeccompArgument>| SeccompRule {
        names: vec!["read".into()],
        action: action.into(),
        errno_ret: None,
        args,
    };
    let with = |rule: SeccompRule| {
        let profile = Seccomp {
            default_action: "SCMP_ACT_ALLOW".into(),
            syscalls: vec![rule],
            ..Seccomp::default()
        };
        compile(&profile, &mut Vec::new()).unwrap_err()
    };
    assert_eq!(with(rule("SCMP_ACT_NOTIFY", vec![])), SeccompError::Notify);
    let argument = SeccompArgument {
        index: 6,
        op: "SCMP_CMP_EQ".into(),
        ..Default::default()
    };
    let index = SeccompError::ArgumentIndex { index: 6 };
    assert_eq!(with(rule("SCMP_ACT_ERRNO", vec![argument.clone()])), index);
    let argument = SeccompArgument {
        index: 0,
        op: "EQ".into(),
        ..argument
    };
    let operator = SeccompError::Operator { name: "EQ".into() };
    assert_eq!(with(rule("SCMP_ACT_ERRNO", vec![argument])), operator);
    let profile = Seccomp {
        default_action: "SCMP_ACT_ALLOW".into(),
        architectures: vec!["SCMP_ARCH_PDP11".into()],
        ..Seccomp::default()
    };
    let architecture = SeccompError::Architecture {
        name: "SCMP_ARCH_PDP11".into(),
    };
    assert_eq!(
        compile(&profile, &mut Vec::new()).unwrap_err(),
        architecture
    );
}

const CALLS: [&str; 8] = [
    "read",
    "write",
    "open",
    "close",
    "personality",
    "clone",
    "socket",
    "no_such_call",
];

fn any_argument() -> impl Strategy<Value = SeccompArgument> {
    let value = prop_oneof![0_u64..4, Just(u64::MAX), Just(1 << 32), any::<u64>()];
    (0_u32..3, value.clone(), value, 0..OPERATORS.len()).prop_map(
        |(index, value, value_two, op)| SeccompArgument {
            index,
            value,
            value_two,
            op: OPERATORS[op].to_owned(),
        },
    )
}

fn any_rule() -> impl Strategy<Value = SeccompRule> {
    let action = prop_oneof![
        Just("SCMP_ACT_ALLOW"),
        Just("SCMP_ACT_ERRNO"),
        Just("SCMP_ACT_KILL_PROCESS"),
        Just("SCMP_ACT_TRAP"),
    ];
    let names = prop::collection::vec(0..CALLS.len(), 1..4);
    let args = prop::collection::vec(any_argument(), 0..4);
    (names, action, prop::option::of(1_u32..200), args).prop_map(
        |(names, action, errno_ret, args)| {
            let names = names
                .into_iter()
                .map(|index| CALLS[index].to_owned())
                .collect();
            SeccompRule {
                names,
                action: action.to_owned(),
                errno_ret,
                args,
            }
        },
    )
}

proptest! {
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn any_profile_means_what_it_says(
        default in prop_oneof![Just("SCMP_ACT_ALLOW"), Just("SCMP_ACT_ERRNO"), Just("SCMP_ACT_LOG")],
        rules in prop::collection::vec(any_rule(), 0..12),
        args in prop::array::uniform6(prop_oneof![0_u64..5, Just(u64::MAX), Just(1 << 32), any::<u64>()]),
    ) {
        let profile = Seccomp {
            default_action: default.to_owned(),
            syscalls: rules,
            ..Seccomp::default()
        };
        let (program, _) = compile(&profile, &mut Vec::new()).unwrap();
        for name in CALLS {
            let Some(number) = number_x86_64(name) else { continue };
            for number in [number, number + 1, 700] {
                let call = Call { audit: X86_64, number, args };
                prop_assert_eq!(
                    interpret(&program, call),
                    meaning(&profile, number_x86_64, call),
                    "{:x?}", call
                );
            }
        }
    }
}
