//! Splitting an instruction's rest as a Dockerfile does.

/// Splits at blanks; quotes and backslashes keep them together and disappear. Inside single quotes
/// nothing is special; inside double quotes a backslash protects `"`, `\` and `$`.
pub(super) fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        match next {
            next if next.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' => push_escaped(word, rest.next()?),
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(rest.next()?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

fn push_escaped(word: &mut String, escaped: char) {
    if !matches!(escaped, '"' | '\\' | '$') {
        word.push('\\');
    }
    word.push(escaped);
}

/// `name=value …` with quotes, or docker's older `name value`, whose value is the whole rest.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let first = text.split_whitespace().next()?;
    if !first.contains('=') {
        let (name, value) = text.split_once(char::is_whitespace)?;
        return Some(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| {
        let (name, value) = word.split_once('=')?;
        (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    split(text)?.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting() {
        let cases: [(&str, Option<&[&str]>); 7] = [
            ("a  b", Some(&["a", "b"])),
            (r#"a="b c" 'd "e'"#, Some(&["a=b c", "d \"e"])),
            (r"a\ b c", Some(&["a b", "c"])),
            (r#""a\"b\n""#, Some(&[r#"a"b\n"#])),
            ("''", Some(&[""])),
            ("", Some(&[])),
            ("'open", None),
        ];
        for (text, words) in cases {
            assert_eq!(
                split(text).as_deref(),
                words
                    .map(|words| words
                        .iter()
                        .map(|word| (*word).to_owned())
                        .collect::<Vec<_>>())
                    .as_deref(),
                "{text}"
            );
        }
    }

    #[test]
    fn both_forms_of_pairs() {
        let one = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            pairs("A=1 B=\"2 3\""),
            Some(vec![one("A", "1"), one("B", "2 3")])
        );
        assert_eq!(pairs("A one two"), Some(vec![one("A", "one two")]));
        assert_eq!(pairs("A"), None);
        assert_eq!(pairs("=x"), None);
        assert_eq!(pairs("A=1 B"), None);
    }
}
