//! What holds for any text: nothing panics, places lie in the source, expansion ends.

use std::collections::BTreeMap;

use gantry_dockerfile::{Dockerfile, Lexer, MAX_BYTES, Options, Patterns, Platform, Source, check};
use proptest::prelude::*;

/// Text that looks like a Dockerfile more often than not.
fn dockerfiles() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "(FROM|RUN|COPY|ADD|ENV|ARG|LABEL|CMD|ONBUILD|SHELL|EXPOSE|VOLUME|USER|WORKDIR|HEALTHCHECK) ",
        "(scratch|a|b|/x|\\.|AS|--from=a|--mount=type=bind,from=b,target=/x|--chown=1|--link|--) ",
        "(<<EOF|<<-EOF|<<\"EOF\"|EOF|\\[\"a\", \"b\"\\]|a=b|80/tcp|#|# escape=`) ?",
        "\\$(a|\\{a\\}|\\{a:-b\\}|\\{a#*\\}|\\{a//b/c\\}|\\{)",
        "[\\\\`\"' \t\r\n{}$<>é#-]{1,3}",
        "\n",
        "\\\\\n",
        "\nFROM scratch\n",
        ".",
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

fn options() -> Options {
    Options {
        build_args: BTreeMap::from([("a".to_owned(), "x y".to_owned())]),
        ..Options::new(Platform::new("linux", "amd64", ""))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn parsing_never_panics_and_places_lie_in_the_source(text in dockerfiles()) {
        let source = Source::new("Dockerfile", text.as_bytes());
        let length = source.text().len();
        match Dockerfile::parse(&source) {
            Ok(file) => {
                let froms = file.stages.iter().map(|stage| &stage.from.text);
                let rest = file.stages.iter().flat_map(|stage| &stage.instructions);
                let globals = file.globals.iter();
                let texts = froms.chain(rest.chain(globals).map(|instruction| &instruction.text));
                for text in texts {
                    prop_assert!(text.span.start < text.span.end && text.span.end <= length);
                    prop_assert!(source.text().get(text.span.clone()).is_some());
                    let slice = &source.text()[text.span.clone()];
                    let is_split = slice.contains(['\\', '`']);
                    prop_assert!(is_split || slice.starts_with(&text.keyword));
                    let line = source.position(text.span.start).line;
                    prop_assert!(text.lines.first <= line && line <= text.lines.last);
                }
            }
            Err(error) => {
                if let Some(span) = &error.span {
                    prop_assert!(source.text().get(span.clone()).is_some());
                }
                let _ = error.excerpt(&source);
            }
        }
        let report = check(&source, &options(), &|_| None);
        let count = source.text().split('\n').count();
        for warning in &report.warnings {
            prop_assert!(1 <= warning.lines.first && warning.lines.last <= count);
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let source = Source::new("Dockerfile", &bytes);
        let report = check(&source, &options(), &|_| None);
        if let Some(error) = report.error {
            prop_assert!(!error.to_string().is_empty());
            let _ = error.excerpt(&source);
        }
    }

    #[test]
    fn expansion_ends_within_its_limits(
        text in "(\\$\\{?[a-c]|[:#%/?+-]{1,2}|[*?\\\\{}'\"x ]|\\}){0,60}",
        value in "[ab/*{}$ é]{0,200}",
    ) {
        let values = BTreeMap::from([("a".to_owned(), value.clone()), ("b".to_owned(), value)]);
        if let Ok(expanded) = Lexer::new('\\').expand(&text, &values) {
            prop_assert!(expanded.text.len() <= MAX_BYTES);
        }
    }

    #[test]
    fn a_quoted_value_is_taken_as_it_is(value in "[^\"\\\\$\\pC]{0,40}") {
        let expanded = Lexer::new('\\').expand(&format!("\"{value}\""), &()).unwrap();
        prop_assert_eq!(expanded.text, value);
    }

    #[test]
    fn patterns_never_panic(pattern in "[a-c*?/!\\[\\]^\\\\.-]{0,12}", path in "[a-c/.]{0,16}") {
        if let Ok(patterns) = Patterns::new([pattern.as_str()]) {
            let _ = patterns.matches(&path);
        }
    }
}

#[test]
fn a_bomb_of_variables_is_stopped() {
    let mut text = "FROM scratch\nENV a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n".to_owned();
    for _ in 0..64 {
        text.push_str("ENV a=$a$a$a$a$a$a$a$a\n");
    }
    let report = check(
        &Source::new("Dockerfile", text.as_bytes()),
        &options(),
        &|_| None,
    );
    let message = report.error.unwrap().to_string();
    assert!(
        message.ends_with("the result is longer than 1048576 bytes"),
        "{message}"
    );
}

#[test]
fn costly_patterns_are_stopped() {
    let values = BTreeMap::from([("a".to_owned(), "ab".repeat(MAX_BYTES / 2))]);
    let pattern = "*a".repeat(1000);
    let began = std::time::Instant::now();
    let expanded = Lexer::new('\\').expand(&format!("${{a//{pattern}c/x}}"), &values);
    assert!(expanded.is_err());
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn braces_are_nested_to_a_limit() {
    let text = format!("{}{}", "${a:-".repeat(1000), "}".repeat(1000));
    let error = Lexer::new('\\').expand(&text, &()).unwrap_err();
    assert_eq!(error.to_string(), "braces are nested more than 32 deep");
}
