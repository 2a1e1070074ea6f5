//! The tables beside those of the `syscalls` crate.

use super::Architecture;

/// Calls whose arguments differ between x32 and x86_64 have numbers of their own
/// (`arch/x86/entry/syscalls/syscall_64.tbl`, ABI `x32`), from 512 on in this order.
const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// Calls of x86_64 that x32 does not have in any form (ABI `64` in the same table).
const X32_LACKS: [&str; 11] = [
    "_sysctl",
    "create_module",
    "epoll_ctl_old",
    "epoll_wait_old",
    "get_kernel_syms",
    "get_thread_area",
    "nfsservctl",
    "query_module",
    "set_thread_area",
    "uselib",
    "vserver",
];

fn table(text: &str) -> Vec<(String, u32)> {
    text.lines()
        .map(|line| {
            let (name, number) = line.split_once(' ').expect("two words");
            (name.to_owned(), number.parse().expect("a number"))
        })
        .collect()
}

macro_rules! of_crate {
    ($architecture:ident) => {{
        let mut calls: Vec<(String, u32)> = syscalls::$architecture::Sysno::iter()
            .map(|call| (call.name().trim_start_matches("r#").to_owned(), call as u32))
            .collect();
        // The crate's iterator leaves out the last.
        let last = syscalls::$architecture::Sysno::last();
        calls.push((last.name().to_owned(), last as u32));
        calls.sort();
        calls.dedup();
        calls
    }};
}

#[test]
fn the_tables_are_the_crate_s() {
    assert_eq!(
        table(include_str!("../calls/x86_64.txt")),
        of_crate!(x86_64)
    );
    assert_eq!(table(include_str!("../calls/x86.txt")), of_crate!(x86));
}

#[test]
fn x32_is_x86_64_with_numbers_of_its_own() {
    let mut expected = of_crate!(x86_64);
    expected.retain(|(name, _)| !X32_LACKS.contains(&name.as_str()));
    for (name, number) in &mut expected {
        if let Some(position) = X32_OWN.iter().position(|own| own == name) {
            *number = 512 + u32::try_from(position).unwrap();
        }
    }
    assert_eq!(table(include_str!("../calls/x32.txt")), expected);
}

#[test]
fn all_tables_are_sorted() {
    for text in [
        include_str!("../calls/aarch64.txt"),
        include_str!("../calls/arm.txt"),
        include_str!("../calls/x32.txt"),
        include_str!("../calls/x86.txt"),
        include_str!("../calls/x86_64.txt"),
    ] {
        let names: Vec<&str> = text
            .lines()
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert!(names.is_sorted());
        assert!(names.len() > 250);
    }
}

#[test]
fn a_call_is_found_by_its_name() {
    let calls = Architecture::calls(super::NATIVE);
    assert_eq!(calls.number("read"), Some(0));
    assert_eq!(calls.number("openat2"), Some(437));
    assert_eq!(calls.number("no_such_call"), None);
}
