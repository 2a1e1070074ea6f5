//! Running from a read-only view of the own binary, before anything else of the program runs.
//!
//! A program that must not be reached through `/proc/<pid>/exe` executes itself again from a detached,
//! read-only copy of the mount its file is on. Done in `main`, that starts the C library and Rust's
//! runtime twice, and starting the C library asks the processor some fifty times what it is (`CPUID`),
//! each of which is an exit to the hypervisor on a virtual machine: half of what a short call of the
//! program costs. So it is done by the program's entry point, ahead of the C library: whoever links with
//! `-e gantry_early_start` gets it.
//!
//! The code has no stack frame, no relocation and no library to call: it is eight system calls at most,
//! in assembly. If anything fails it goes on to the ordinary entry point, where the program finds itself
//! unprotected and does the same with all the library's means. Only for x86_64; elsewhere that is what
//! always happens.

#![expect(
    clippy::too_many_lines,
    reason = "a straight line of assembly, with nothing to take out"
)]

use std::arch::naked_asm;

/// The entry point. Arguments that name a verb which enters containers (`run`, `create`, `exec`, as any
/// word but the first) make it replace the program by its read-only view, unless its file system is
/// read-only as it is.
///
/// # Safety
/// Only the kernel or the dynamic loader may start it, as the first code of a process.
#[unsafe(naked)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gantry_early_start() -> ! {
    // SAFETY: the stack is as the kernel leaves it (argc, argv, null, envp, null) and is left so; rdx,
    // which the ordinary entry point takes from the loader, is restored. Buffers lie below the stack
    // pointer while it is lowered.
    naked_asm!(
        "mov r15, rsp",               // argc, argv…
        "mov r14, rdx",
        "lea rbx, [r15 + 16]",        // argv[1]
        "2:",
        "mov rsi, [rbx]",
        "test rsi, rsi",
        "jz 9f",                      // no such verb: nothing to protect
        "add rbx, 8",
        "mov eax, [rsi]",             // strings are followed by others, or by eight null bytes
        "cmp eax, 0x006e7572",        // "run\0"
        "je 3f",
        "mov ecx, [rsi + 3]",
        "cmp eax, 0x63657865",        // "exec"
        "jne 4f",
        "and ecx, 0xffff",
        "cmp ecx, 0x63",              // "c\0"
        "je 3f",
        "jmp 2b",
        "4:",
        "cmp eax, 0x61657263",        // "crea"
        "jne 2b",
        "cmp ecx, 0x00657461",        // "ate\0"
        "jne 2b",
        "3:",
        "sub rsp, 256",
        "mov eax, 137",               // statfs("/proc/self/exe")
        "lea rdi, [rip + 7f]",
        "mov rsi, rsp",
        "syscall",
        "test rax, rax",
        "jnz 8f",
        "test byte ptr [rsp + 80], 1", // f_flags & ST_RDONLY
        "jnz 8f",
        "mov eax, 428",               // open_tree(AT_FDCWD, …, CLONE | CLOEXEC)
        "mov rdi, -100",
        "lea rsi, [rip + 7f]",
        "mov edx, 0x80001",
        "syscall",
        "test rax, rax",
        "js 8f",
        "mov r13, rax",
        "mov qword ptr [rsp], 1",     // struct mount_attr: MOUNT_ATTR_RDONLY
        "mov qword ptr [rsp + 8], 0",
        "mov qword ptr [rsp + 16], 0",
        "mov qword ptr [rsp + 24], 0",
        "mov eax, 442",               // mount_setattr(view, \"\", AT_EMPTY_PATH, attr, 32)
        "mov rdi, r13",
        "lea rsi, [rip + 6f]",
        "mov edx, 0x1000",
        "mov r10, rsp",
        "mov r8d, 32",
        "syscall",
        "test rax, rax",
        "jnz 5f",
        "mov rax, [r15]",             // envp is behind argc, argv and its null
        "lea r10, [r15 + rax * 8 + 16]",
        "mov eax, 322",               // execveat(view, \"\", argv, envp, AT_EMPTY_PATH)
        "mov rdi, r13",
        "lea rsi, [rip + 6f]",
        "lea rdx, [r15 + 8]",
        "mov r8d, 0x1000",
        "syscall",
        "5:",
        "mov eax, 3",                 // close(view)
        "mov rdi, r13",
        "syscall",
        "8:",
        "mov rsp, r15",
        "9:",
        "mov rdx, r14",
        "xor ebp, ebp",
        "jmp {start}",
        "7: .asciz \"/proc/self/exe\"",
        "6: .byte 0",
        start = sym _start,
    )
}

unsafe extern "C" {
    fn _start();
}
