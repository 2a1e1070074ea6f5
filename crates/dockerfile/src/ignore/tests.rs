use super::{IgnoreError, Patterns, clean};

/// Whether patterns, separated by spaces, leave a path out.
fn matches(patterns: &str, path: &str) -> bool {
    Patterns::new(patterns.split(' ')).unwrap().matches(path)
}

#[test]
fn a_pattern_matches_names_and_what_lies_beneath() {
    let table = [
        ("file", "file", true),
        ("file", "dir/file", false),
        ("dir", "dir/a/b", true),
        ("dir/", "dir/a", true),
        ("./dir/../dir", "dir", true),
        ("*", "dir/file", true),
        ("*.rs", "a.rs", true),
        ("*.rs", "src/a.rs", false),
        ("*/a", "x/a", true),
        ("*/a", "x/y/a", false),
        ("a?c", "abc", true),
        ("a?c", "a/c", false),
        ("a?c", "aéc", true),
        ("**", "any/thing", true),
        ("**/", "any", true),
        ("**/a", "a", true),
        ("**/a", "x/y/a", true),
        ("**/a", "x/ya", false),
        ("**a", "x/ya", true),
        ("**/a*", "x/y/ab", true),
        ("a/**", "a", false),
        ("a/**", "a/b/c", true),
        ("a/**/z", "a/z", true),
        ("a/**/z", "a/b/c/z", true),
        ("a/**/z", "a/b/cz", false),
        ("a**/z", "a/b/z", true),
        ("**/*.txt", "x/y.txt", true),
        ("**/**/*.txt", "y.txt", true),
        ("[a-c]x", "bx", true),
        ("[^a-c]x", "bx", false),
        ("[\\]]x", "]x", true),
        ("a\\*b", "a*b", true),
        ("a\\*b", "axb", false),
        ("a.c", "abc", false),
        ("a+(b)|{c}$", "a+(b)|{c}$", true),
        (".*", ".git/config", true),
        (".*", "a.b", false),
    ];
    for (pattern, path, expected) in table {
        assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
    }
}

#[test]
fn later_patterns_win() {
    let table = [
        ("docs !docs/README.md", "docs/README.md", false),
        ("docs !docs/README.md", "docs/other", true),
        ("docs/* !docs/a docs/a", "docs/a", true),
        ("!a *", "a", true),
        ("** !keep", "keep/deep/file", false),
        ("** !keep keep/deep", "keep/deep/file", true),
        ("* !src !*.toml", "Cargo.toml", false),
    ];
    for (patterns, path, expected) in table {
        assert_eq!(matches(patterns, path), expected, "{patterns} on {path}");
    }
}

#[test]
fn files_of_patterns_have_comments_blanks_and_leading_slashes() {
    let text = "\u{feff}# comment\n\n  /target  \n! /target/keep\n #name\n*.log\r\n";
    let patterns = Patterns::read(text).unwrap();
    assert!(patterns.matches("target/debug"));
    assert!(!patterns.matches("target/keep"));
    assert!(patterns.matches("#name"));
    assert!(patterns.matches("a.log"));
    assert!(!patterns.matches("comment"));
    assert!(patterns.has_exceptions());
    assert!(Patterns::read("# nothing\n").unwrap().is_empty());
}

#[test]
fn malformed_patterns_are_refused() {
    for bad in [
        "[", "[^", "[a", "a[", "[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]",
    ] {
        let error = Patterns::new([bad]).unwrap_err();
        assert!(matches!(error, IgnoreError::Syntax(_)), "{bad}");
    }
    assert_eq!(
        Patterns::read("!").unwrap_err(),
        IgnoreError::EmptyException
    );
}

#[test]
fn paths_are_cleaned_as_go_does() {
    let table = [
        ("", "."),
        ("a//b/./c/..", "a/b"),
        ("/../a", "/a"),
        ("../a", "../a"),
        ("a/../..", ".."),
        ("/", "/"),
        ("!docs/", "!docs"),
    ];
    for (path, expected) in table {
        assert_eq!(clean(path), expected, "{path}");
    }
}
