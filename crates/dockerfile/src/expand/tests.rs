use std::collections::BTreeMap;

use super::Lexer;

fn values() -> BTreeMap<String, String> {
    [("v", "value"), ("e", ""), ("s", "a b"), ("p", "/usr/lib")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn words(text: &str) -> Vec<String> {
    Lexer::new('\\').expand(text, &values()).unwrap().words
}

#[test]
fn words_split_at_spaces_outside_quotes() {
    assert_eq!(words("a  b"), ["a", "b"]);
    assert_eq!(words("'a b' c"), ["a b", "c"]);
    assert_eq!(words("a\\ b"), ["a b"]);
    assert_eq!(words("x$s"), ["xa", "b"], "the value's own spaces split");
    assert_eq!(words("\"$s\""), ["a b"]);
    assert_eq!(words("$e"), Vec::<String>::new());
}

#[test]
fn unknown_variables_can_stay() {
    let lexer = Lexer {
        keep_unset: true,
        ..Lexer::new('\\')
    };
    for text in ["$u", "${u}", "${u:-x}", "${u#x}", "${u/a/b}", "${u//a/b}"] {
        assert_eq!(lexer.expand(text, &values()).unwrap().text, text);
    }
    assert_eq!(lexer.expand("$v", &values()).unwrap().text, "value");
}

#[test]
fn quotes_and_escapes_can_stay() {
    let lexer = Lexer {
        raw_quotes: true,
        raw_escapes: true,
        ..Lexer::new('\\')
    };
    let text = r#"'a' "b\" c" d\e"#;
    assert_eq!(lexer.expand(text, &values()).unwrap().text, text);
    let plain = Lexer {
        plain_quotes: true,
        ..Lexer::new('\\')
    };
    assert_eq!(
        plain.expand("it's \"$v\"", &values()).unwrap().text,
        "it's \"value\""
    );
}

#[test]
fn names_that_are_used_are_told() {
    let expanded = Lexer::new('\\')
        .expand("$v ${u:-$w} $u", &values())
        .unwrap();
    assert!(expanded.matched.contains("v"));
    assert_eq!(expanded.unmatched, ["w", "u"]);
}

#[test]
fn patterns_match_as_little_or_as_much() {
    let table = [
        ("${p#*/}", "usr/lib"),
        ("${p##*/}", "lib"),
        ("${p%/*}", "/usr"),
        ("${p%%/*}", ""),
        ("${p/u?r/x}", "/x/lib"),
        ("${p//\\//-}", "-usr-lib"),
        ("${v//[/x}", "value"),
    ];
    for (text, expected) in table {
        let expanded = Lexer::new('\\').expand(text, &values()).unwrap();
        assert_eq!(expanded.text, expected, "{text}");
    }
}
