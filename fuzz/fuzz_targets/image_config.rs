//! An image configuration of any bytes.
#![no_main]

use gantry_image::ImageConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(config) = ImageConfig::parse(bytes) {
        assert_eq!(config.raw(), bytes);
        let again = ImageConfig::from_file(config.file().clone());
        let read = ImageConfig::parse(again.raw()).expect("what was written is read");
        assert_eq!(read.file(), config.file());
        let _ = config.chain();
    }
});
