use proptest::prelude::*;

use super::*;

#[test]
fn the_documented_example_parses() {
    let text = "gantry:///run/gantry/io/0123456789abcdef.sock?log=/var/lib/gantry/containers/ID/ID-json.log\
                &max-size=20971520&max-file=5";
    let uri: StdioUri = text.parse().unwrap();
    assert_eq!(
        uri.socket,
        Path::new("/run/gantry/io/0123456789abcdef.sock")
    );
    let log = uri.log.clone().unwrap();
    assert_eq!(log.max_size.map(NonZeroU64::get), Some(20 << 20));
    assert_eq!(log.max_file.get(), 5);
    assert!(!uri.stdin_once);
    assert_eq!(uri.to_string(), text);
}

#[test]
fn what_is_absent_has_the_documented_default() {
    let uri: StdioUri = "gantry:///s?log=/l&max-size=0".parse().unwrap();
    assert_eq!(uri.log, Some(JsonFile::unlimited("/l".into())));
    assert_eq!(
        "gantry:///s".parse(),
        Ok(StdioUri::without_log("/s".into()))
    );
}

#[test]
fn nothing_unknown_repeated_or_senseless_is_accepted() {
    for (text, expected) in [
        ("/run/fifo", UriError::Scheme("/run/fifo".into())),
        (
            "gantry://run/x.sock",
            UriError::RelativePath("run/x.sock".into()),
        ),
        ("gantry:///s?log=x", UriError::RelativePath("x".into())),
        (
            "gantry:///s?colour=red",
            UriError::Parameter("colour".into()),
        ),
        (
            "gantry:///s?log=/a&log=/b",
            UriError::Parameter("log".into()),
        ),
        ("gantry:///s?max-file=3", UriError::NeedsLog("max-file")),
    ] {
        assert_eq!(text.parse::<StdioUri>(), Err(expected), "{text}");
    }
    for query in [
        "max-file=0",
        "max-size=-1",
        "attrs=[]",
        "attrs={",
        "stdin-once=yes",
    ] {
        let parsed = format!("gantry:///s?log=/l&{query}").parse::<StdioUri>();
        assert!(
            matches!(parsed, Err(UriError::Value { .. })),
            "{query}: {parsed:?}"
        );
    }
}

fn path() -> impl Strategy<Value = PathBuf> {
    prop::collection::vec(1_u8..=255, 0..30).prop_map(|mut bytes| {
        bytes.insert(0, b'/');
        PathBuf::from(OsStr::from_bytes(&bytes))
    })
}

prop_compose! {
    fn json_file()(
        path in path(),
        max_size in prop::option::of(any::<NonZeroU64>()),
        max_file in any::<NonZeroU32>(),
        attrs in prop::option::of(prop::collection::btree_map(any::<String>(), any::<String>(), 0..3)),
    ) -> JsonFile {
        let attrs = attrs.map(|attrs| serde_json::to_string(&attrs).unwrap());
        JsonFile { path, max_size, max_file, attrs }
    }
}

proptest! {
    #[test]
    fn what_is_built_parses_to_the_same(
        socket in path(), log in prop::option::of(json_file()), stdin_once in any::<bool>(),
    ) {
        let uri = StdioUri { socket, log, stdin_once };
        prop_assert_eq!(uri.to_string().parse::<StdioUri>().unwrap(), uri);
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = format!("gantry://{text}").parse::<StdioUri>();
    }
}
