//! The filter that runc-lite loads for Docker's default profile beside the one that stock runc loads
//! for it: both are asked about every call.

use gantry_linux::seccomp::Instruction;
use gantry_linux::trace::Traced;
use rustix::process::Pid;

use crate::bpf::{Call, interpret};
use crate::harness::{Bundle, Runtime};

/// `AUDIT_ARCH_*`: x86_64 (and x32), x86, and one that is not this machine's.
const INTERFACES: [u32; 3] = [0xc000_003e, 0x4000_0003, 0xc000_00b7];
const X32_BIT: u32 = 0x4000_0000;
/// What arguments are compared with in the profile (personalities, `AF_VSOCK`, namespaces of `clone`),
/// their neighbours, and what the upper half may hold.
const VALUES: [u64; 14] = [
    0,
    1,
    8,
    9,
    39,
    40,
    41,
    0x2_0000,
    0x2_0008,
    0x1000_0000,
    0x7e02_0000,
    0xffff_ffff,
    0x1_0000_0028,
    u64::MAX,
];

/// The filter of a container's first process, read from the kernel.
fn loaded_by(runtime: Runtime) -> Vec<Instruction> {
    let mut filter = Vec::new();
    Bundle::with(runtime, |bundle| {
        bundle.start_sleeping();
        let pid = bundle.state()["pid"].as_i64().unwrap();
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        let traced = Traced::seize(pid).unwrap();
        filter = traced.seccomp_filter(0).unwrap();
    });
    filter
}

#[test]
fn docker_s_profile_filters_as_under_runc() {
    let theirs = loaded_by(Runtime::Runc);
    let ours = loaded_by(Runtime::RuncLite);
    let numbers = (0..=600).chain(X32_BIT..=X32_BIT + 600).chain([u32::MAX]);
    let mut asked = 0;
    for number in numbers {
        for audit in INTERFACES {
            for value in VALUES {
                let call = Call {
                    audit,
                    number,
                    args: [value; 6],
                };
                assert_eq!(
                    interpret(&ours, call),
                    interpret(&theirs, call),
                    "{call:x?}"
                );
                asked += 1;
            }
        }
    }
    assert_eq!(asked, 1203 * 3 * 14);
}
