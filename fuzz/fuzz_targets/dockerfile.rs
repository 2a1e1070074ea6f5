//! A Dockerfile of any bytes, parsed, checked and planned.
#![no_main]

use std::collections::BTreeMap;

use gantry_dockerfile::{Dockerfile, Options, Patterns, Platform, Source, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let source = Source::new("Dockerfile", bytes);
    if let Ok(file) = Dockerfile::parse(&source) {
        for stage in &file.stages {
            assert!(source.text().get(stage.from.text.span.clone()).is_some());
        }
    }
    let options = Options {
        build_args: BTreeMap::from([("a".to_owned(), "x y".to_owned())]),
        ..Options::new(Platform::new("linux", "amd64", ""))
    };
    let report = check(&source, &options, &|_| None);
    if let Some(error) = report.error {
        let _ = error.excerpt(&source);
    }
    if let Ok(patterns) = Patterns::read(source.text()) {
        let _ = patterns.matches("a/b/c");
    }
});
