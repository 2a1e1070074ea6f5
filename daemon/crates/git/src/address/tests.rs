//! Addresses that are repositories, those that are none, and those that mean harm.

use super::{Address, AddressError};

fn read(text: &str) -> Address {
    let read = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    read.unwrap_or_else(|| panic!("{text} is a repository"))
}

#[test]
fn what_of_a_repository_is_meant() {
    for (text, remote, reference, subdir) in [
        ("https://h/x.git", "https://h/x.git", None, ""),
        ("https://h/x.git#", "https://h/x.git", None, ""),
        ("https://h/x.git#main", "https://h/x.git", Some("main"), ""),
        ("https://h/x.git#:a/b/", "https://h/x.git", None, "a/b"),
        (
            "https://h/x.git#a%2Fb:/c",
            "https://h/x.git",
            Some("a/b"),
            "c",
        ),
        (
            "https://h/x.git#v1:../../a",
            "https://h/x.git",
            Some("v1"),
            "a",
        ),
        (
            "https://h/x.git?branch=dev&subdir=s",
            "https://h/x.git",
            Some("refs/heads/dev"),
            "s",
        ),
        (
            "https://h/x.git?tag=refs/tags/v1",
            "https://h/x.git",
            Some("refs/tags/v1"),
            "",
        ),
        ("git@h:a/x#main", "git@h:a/x", Some("main"), ""),
        ("ssh://git@h:22/x", "ssh://git@h:22/x", None, ""),
        ("git://h/x", "git://h/x", None, ""),
    ] {
        let address = read(text);
        assert_eq!(address.remote, remote, "{text}");
        assert_eq!(address.reference.as_deref(), reference, "{text}");
        assert_eq!(address.subdir, subdir, "{text}");
    }
    let commit = "5011f16cbe077ad894edc48eb618544cda60787b";
    let address = read(&format!(
        "https://h/x.git?checksum={commit}&keep-git-dir&submodules=0"
    ));
    assert_eq!(address.reference.as_deref(), Some(commit));
    assert_eq!(address.keep, Some(true));
    assert!(!address.has_submodules);
}

#[test]
fn what_is_no_repository() {
    for text in [
        "",
        "file",
        "./x.git",
        "dir/x.git",
        "https://h/x",
        "https://h/x.git/file",
        "https://h/x?y=.git",
        "file:///x.git",
        "ext::sh -c x",
        "http://buildkit-session/abc",
        "@h:x",
        "a b@h:x",
    ] {
        assert_eq!(Address::parse(text), Ok(None), "{text}");
    }
}

#[test]
fn nothing_is_an_option() {
    for text in [
        "ssh://-oProxyCommand=touch/x.git",
        "ssh://-oProxyCommand=touch@h/x.git",
        "git@-oProxyCommand=touch:x",
        "git@h:-x",
        "-u@h:x",
        "ssh://h/$(touch x)",
        "https:///x.git",
        "https://h;x/x.git",
        "https://h/x\n.git",
        "git://h\u{7f}/x",
    ] {
        let read = Address::parse(text);
        assert!(
            matches!(read, Err(AddressError::Address(_))),
            "{text}: {read:?}"
        );
    }
    for reference in [
        "--upload-pack=touch",
        "-x",
        "a..b",
        "a:b",
        "v1^{}",
        "*",
        "refs/heads/*",
        "x@{1}",
        "a//b",
        "/a",
        "a.lock",
        ".a",
    ] {
        let text = format!("https://h/x.git?ref={reference}");
        let read = Address::parse(&text);
        assert!(
            matches!(read, Err(AddressError::Reference(_))),
            "{text}: {read:?}"
        );
    }
}

#[test]
fn what_makes_no_sense_is_said_as_buildkit_says_it() {
    for (text, said) in [
        ("https://h/x.git?foo=1", "unexpected query \"foo\""),
        ("https://h/x.git?branch=", "query \"branch\" has no value"),
        (
            "https://h/x.git?branch=a&tag=b",
            "branch conflicts with tag",
        ),
        ("https://h/x.git?ref=a#b", "ref conflicts: \"b\" vs \"a\""),
        (
            "https://h/x.git?subdir=a#:b",
            "subdir conflicts: \"b\" vs \"a\"",
        ),
        (
            "https://h/x.git?keep-git-dir=maybe",
            "invalid keep-git-dir value: \"maybe\"",
        ),
        (
            "https://h/x.git?checksum=sha256:00",
            "invalid checksum sha256:00 for Git URL, expected hex commit hash",
        ),
        (
            "https://h/x.git#:.git/hooks",
            "invalid subdir \".git/hooks\"",
        ),
    ] {
        // The query stands before the fragment.
        let text = match text.split_once('#') {
            Some((rest, fragment)) => format!("{rest}#{fragment}"),
            None => text.to_owned(),
        };
        let error = Address::parse(&text).unwrap_err();
        assert_eq!(error.to_string(), said, "{text}");
    }
}

#[test]
fn passwords_are_not_shown() {
    assert_eq!(
        read("https://u:p@h/x.git").shown(),
        "https://u:xxxxx@h/x.git"
    );
    assert_eq!(
        read("https://token@h/x.git").shown(),
        "https://xxxxx@h/x.git"
    );
    assert_eq!(read("git@h:x").shown(), "git@h:x");
    let error = Address::parse("https://u:p@-h/x.git").unwrap_err();
    assert!(!error.to_string().contains(":p@"), "{error}");
}

#[test]
fn github_stands_for_itself_as_a_context() {
    let of = |text| Address::parse_context(text).unwrap().unwrap().remote;
    assert_eq!(of("github.com/a/b"), "https://github.com/a/b.git");
    assert_eq!(of("github.com/a/b.git#main"), "https://github.com/a/b.git");
    assert_eq!(Address::parse("github.com/a/b"), Ok(None));
}
