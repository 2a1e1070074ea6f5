//! The program; what it does is in the library of the same name, so that it can be tested and fuzzed.

use std::process::ExitCode;

#[cfg(target_arch = "x86_64")]
#[used]
static ENTRY: unsafe extern "C" fn() -> ! = gantry_linux::early::gantry_early_start;

fn main() -> ExitCode {
    runc_lite::main()
}
