//! A `WWW-Authenticate` header of any text.
#![no_main]

use gantry_registry::challenge::Challenge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &str| {
    for challenge in Challenge::parse(header) {
        if let Challenge::Bearer { realm, .. } = challenge {
            assert!(!realm.is_empty());
        }
    }
});
