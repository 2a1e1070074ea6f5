//! A container's configuration of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// The kernel's own limit for a filter.
const MAX_INSTRUCTIONS: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let first = runc_lite::rehearse(bytes);
    if let Ok(plan) = &first {
        assert!(!plan.steps.is_empty());
        assert!(plan.filter.len() <= MAX_INSTRUCTIONS);
    }
    // The plan follows from the configuration alone.
    assert_eq!(runc_lite::rehearse(bytes), first);
});
