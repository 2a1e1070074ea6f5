//! Go's `path.Match`, in which `docker images --filter reference=` is written.

/// Whether `text` matches `pattern`: `*` and `?` stop at slashes, `[a-z]` and `[^a-z]` are sets, `\`
/// escapes. None for a malformed pattern.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> Option<bool> {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // The state of the last `*`: where its tail begins, and how much it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    let (mut p, mut t) = (0, 0);
    loop {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if p == pattern.len() && t == text.len() {
            return Some(true);
        }
        if p < pattern.len() {
            let (next, hit) = one(&pattern, p, text.get(t).copied())?;
            if hit {
                (p, t) = (next, t + 1);
                continue;
            }
        }
        let (tail, swallowed) = match star {
            Some(star) if star.1 < text.len() && text[star.1] != '/' => star,
            _ => return well_formed(&pattern[p..]).then_some(false),
        };
        star = Some((tail, swallowed + 1));
        (p, t) = (tail, swallowed + 1);
    }
}

/// One element of the pattern against one character; where the pattern goes on.
fn one(pattern: &[char], at: usize, candidate: Option<char>) -> Option<(usize, bool)> {
    match pattern[at] {
        '?' => Some((at + 1, candidate.is_some_and(|c| c != '/'))),
        '[' => set(pattern, at + 1, candidate),
        '\\' => {
            let literal = pattern.get(at + 1)?;
            Some((at + 2, candidate == Some(*literal)))
        }
        literal => Some((at + 1, candidate == Some(literal))),
    }
}

/// A set, from after its bracket.
fn set(pattern: &[char], mut at: usize, candidate: Option<char>) -> Option<(usize, bool)> {
    let negated = pattern.get(at) == Some(&'^');
    at += usize::from(negated);
    let mut hit = false;
    let mut first = true;
    while first || *pattern.get(at)? != ']' {
        first = false;
        let low = member(pattern, &mut at)?;
        let high = match pattern.get(at) {
            Some('-') => {
                at += 1;
                member(pattern, &mut at)?
            }
            _ => low,
        };
        hit |= candidate.is_some_and(|c| (low..=high).contains(&c));
    }
    let crossing = candidate.is_none_or(|c| c == '/');
    Some((at + 1, hit != negated && !crossing))
}

fn member(pattern: &[char], at: &mut usize) -> Option<char> {
    let mut c = *pattern.get(*at)?;
    if c == '-' || c == ']' {
        return None;
    }
    if c == '\\' {
        *at += 1;
        c = *pattern.get(*at)?;
    }
    *at += 1;
    Some(c)
}

/// Whether what was not reached any more is a pattern at all.
fn well_formed(mut rest: &[char]) -> bool {
    while let Some(first) = rest.first() {
        let next = match first {
            '*' => Some((1, false)),
            _ => one(rest, 0, None),
        };
        match next {
            Some((next, _)) => rest = &rest[next..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_mean_what_go_says() {
        for (pattern, text, expected) in [
            ("abc", "abc", Some(true)),
            ("*", "abc", Some(true)),
            ("*c", "abc", Some(true)),
            ("a*", "a/b", Some(false)),
            ("a*/b", "abc/b", Some(true)),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", Some(true)),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", Some(false)),
            ("ab[c]", "abc", Some(true)),
            ("ab[e-g]", "abc", Some(false)),
            ("ab[^c]", "abc", Some(false)),
            ("a\\*b", "a*b", Some(true)),
            ("a?b", "a/b", Some(false)),
            ("a[^a]b", "a/b", Some(false)),
            ("[a-ζ]*", "α", Some(true)),
            ("[]a]", "]", None),
            ("[-]", "-", None),
            ("[x-]", "x", None),
            ("a[", "a", None),
            ("a[", "ab", None),
            ("\\", "a", None),
            ("b*:lat*", "busybox:latest", Some(true)),
            ("", "", Some(true)),
            ("", "a", Some(false)),
            ("*x", "xxx", Some(true)),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
