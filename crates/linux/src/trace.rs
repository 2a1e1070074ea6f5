//! Looking at another process as a debugger does (`ptrace(2)`): as much as reading its system call
//! filter takes.

use std::io;

use rustix::process::{Pid, WaitOptions};

use crate::seccomp::Instruction;

/// The kernel's limit for a filter.
const MAX_INSTRUCTIONS: usize = 4096;
/// `PTRACE_SECCOMP_GET_FILTER` (`linux/ptrace.h`), which libc does not have.
const GET_FILTER: libc::c_uint = 0x420c;

/// A process that is held still; it goes on when this is dropped.
#[derive(Debug)]
pub struct Traced {
    process: Pid,
}

impl Traced {
    /// Takes hold of a process and stops it.
    ///
    /// # Errors
    /// `EPERM` without the right to, `ESRCH` if it is gone.
    pub fn seize(process: Pid) -> io::Result<Self> {
        request(libc::PTRACE_SEIZE, process, 0, std::ptr::null_mut())?;
        let traced = Self { process };
        request(libc::PTRACE_INTERRUPT, process, 0, std::ptr::null_mut())?;
        rustix::process::waitpid(Some(process), WaitOptions::UNTRACED)?;
        Ok(traced)
    }

    /// Its system call filter; 0 is the one loaded last. Needs CAP_SYS_ADMIN and a kernel with
    /// checkpoint and restore.
    ///
    /// # Errors
    /// `ENOENT` if it has no such filter, otherwise what `ptrace(2)` says.
    pub fn seccomp_filter(&self, index: usize) -> io::Result<Vec<Instruction>> {
        let none = Instruction {
            code: 0,
            jump_true: 0,
            jump_false: 0,
            operand: 0,
        };
        let mut filter = vec![none; MAX_INSTRUCTIONS];
        let buffer = filter.as_mut_ptr().cast();
        let length = request(GET_FILTER, self.process, index, buffer)?;
        filter.truncate(usize::try_from(length).map_err(|_| io::ErrorKind::InvalidData)?);
        Ok(filter)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let _gone = request(libc::PTRACE_DETACH, self.process, 0, std::ptr::null_mut());
    }
}

fn request(
    request: libc::c_uint,
    process: Pid,
    address: usize,
    data: *mut libc::c_void,
) -> io::Result<libc::c_long> {
    let pid = process.as_raw_nonzero().get();
    // SAFETY: of the requests made here only PTRACE_SECCOMP_GET_FILTER writes to memory, and not more
    // than the kernel's limit of instructions, which is what its buffer holds.
    crate::check(unsafe { libc::ptrace(request, pid, address, data) })
}
