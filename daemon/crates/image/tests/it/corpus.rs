//! Replays the fuzz corpus of configurations: what `fuzz/fuzz_targets/image_config.rs` asserts.

use std::path::Path;

use gantry_image::ImageConfig;

#[test]
fn every_configuration_of_the_corpus_is_answered() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus/image_config");
    let mut taken = Vec::new();
    let mut replayed = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        replayed += 1;
        let Ok(config) = ImageConfig::parse(&bytes) else {
            continue;
        };
        assert_eq!(config.raw(), bytes);
        let again = ImageConfig::from_file(config.file().clone());
        assert_eq!(
            ImageConfig::parse(again.raw()).unwrap().file(),
            config.file()
        );
        taken.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    taken.sort();
    assert!(replayed >= 8, "the corpus is missing");
    assert_eq!(
        taken,
        [
            "deep",
            "empty",
            "full",
            "nulls",
            "numbers",
            "string-command"
        ]
    );
}
