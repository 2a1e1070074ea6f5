//! The one home of unsafe code and raw system calls.
