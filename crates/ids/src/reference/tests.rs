use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<ImageRef, ReferenceError> {
    text.parse()
}

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn familiar_and_full_forms() {
    let cases = [
        ("busybox", "docker.io/library/busybox", "busybox"),
        (
            "busybox:1.36",
            "docker.io/library/busybox:1.36",
            "busybox:1.36",
        ),
        ("library/busybox", "docker.io/library/busybox", "busybox"),
        ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
        ("index.docker.io/me/app", "docker.io/me/app", "me/app"),
        ("me/app:V1", "docker.io/me/app:V1", "me/app:V1"),
        ("library/a/b", "docker.io/library/a/b", "library/a/b"),
        ("localhost/app", "localhost/app", "localhost/app"),
        ("host:5000/app:1", "host:5000/app:1", "host:5000/app:1"),
        ("LOCAL/app", "LOCAL/app", "LOCAL/app"),
        ("[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"),
        (
            "a.b/c/d/e__f-g---h",
            "a.b/c/d/e__f-g---h",
            "a.b/c/d/e__f-g---h",
        ),
    ];
    for (text, full, familiar) in cases {
        let reference = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(reference.to_string(), full);
        assert_eq!(reference.familiar(), familiar);
        assert_eq!(parse(full), Ok(reference.clone()));
        assert_eq!(parse(familiar), Ok(reference));
    }
}

#[test]
fn tag_and_digest_together() {
    let reference = parse(&format!("app:1@{DIGEST}")).unwrap();
    assert_eq!(reference.tag(), Some("1"));
    assert_eq!(reference.digest().unwrap().to_string(), DIGEST);
    assert_eq!(reference.familiar(), format!("app:1@{DIGEST}"));
    assert_eq!(reference.clone().with_default_tag(), reference);
    assert_eq!(
        parse("app").unwrap().with_default_tag().tag(),
        Some("latest")
    );
    assert_eq!(reference.with_tag("2").unwrap().familiar(), "app:2");
    assert_eq!(reference.with_tag("a b"), Err(ReferenceError::Tag));
}

#[test]
fn refusals_in_dockers_words() {
    let format = "invalid reference format";
    let lower = |name: &str| format!("{format}: repository name ({name}) must be lowercase");
    let long = "a".repeat(256);
    let cases = [
        (String::new(), format.to_owned()),
        ("X".into(), lower("library/X")),
        ("me/App:1".into(), lower("me/App")),
        ("a:b:c".into(), format.to_owned()),
        ("a b".into(), format.to_owned()),
        ("-a".into(), format.to_owned()),
        ("a..b".into(), format.to_owned()),
        ("a___b".into(), format.to_owned()),
        ("a/".into(), format.to_owned()),
        ("/a".into(), format.to_owned()),
        ("a//b".into(), format.to_owned()),
        ("a:".into(), format.to_owned()),
        ("a@".into(), format.to_owned()),
        ("a@sha256:1234".into(), format.to_owned()),
        ("host:x/app".into(), format.to_owned()),
        ("[::1/app".into(), format.to_owned()),
        ("-h.io/app".into(), format.to_owned()),
        (format!("a:{}", "t".repeat(129)), format.to_owned()),
        (
            format!("a@sha512:{}", "0".repeat(128)),
            "unsupported digest algorithm".to_owned(),
        ),
        (
            format!("a@sha256:{}", "0".repeat(40)),
            "invalid checksum digest length".to_owned(),
        ),
        (
            long,
            "repository name must not be more than 255 characters".to_owned(),
        ),
        (
            "a".repeat(64),
            format!(
                "invalid repository name ({}), cannot specify 64-byte hexadecimal strings",
                "a".repeat(64)
            ),
        ),
    ];
    for (text, message) in cases {
        let error = parse(&text).expect_err(&text);
        assert_eq!(error.to_string(), message, "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        if let Ok(reference) = parse(&text) {
            prop_assert_eq!(parse(&reference.to_string()), Ok(reference.clone()));
            prop_assert_eq!(parse(&reference.familiar()), Ok(reference));
        }
    }

    #[test]
    fn well_formed_references_parse(
        text in "([a-z0-9]{1,8}\\.[a-z]{2,5}(:[0-9]{1,5})?/)?[a-z0-9]{1,9}([_-][a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,9}){0,2}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,30})?"
    ) {
        let reference = parse(&text).unwrap();
        prop_assert_eq!(parse(&reference.familiar()), Ok(reference));
    }
}
