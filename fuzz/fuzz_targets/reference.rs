//! An image reference of any text.
#![no_main]

use gantry_ids::{ImageQuery, ImageRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = text.parse::<ImageQuery>();
    if let Ok(reference) = text.parse::<ImageRef>() {
        assert_eq!(reference.to_string().parse(), Ok(reference.clone()));
        assert_eq!(reference.familiar().parse(), Ok(reference));
    }
});
