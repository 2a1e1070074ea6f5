//! `WWW-Authenticate`: what a registry wants to be told (RFC 9110, section 11; docker's token
//! authentication specification). Pure.

/// Longer headers are not read.
const HEADER_MAX_BYTES: usize = 8 << 10;

/// One way in that a registry offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// A name and a password with every request.
    Basic {
        /// What for, in words.
        realm: String,
    },
    /// A token, which a token server gives.
    Bearer {
        /// The token server's URL.
        realm: String,
        /// What the token server calls this registry.
        service: String,
        /// What the request needs: `repository:library/busybox:pull`.
        scope: String,
        /// Why a token that was sent was not enough (`insufficient_scope`, `invalid_token`).
        error: String,
    },
}

impl Challenge {
    /// All challenges of one header; schemes that nobody here speaks are left out, and so is what
    /// cannot be read.
    #[must_use]
    pub fn parse(header: &str) -> Vec<Self> {
        if header.len() > HEADER_MAX_BYTES {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut rest = header.trim_start_matches([' ', '\t', ',']);
        while let Some((scheme, after)) = token(rest) {
            let (params, after) = parameters(after.trim_start_matches([' ', '\t']));
            found.extend(Self::of(scheme, &params));
            let next = after.trim_start_matches([' ', '\t', ',']);
            // Neither a scheme nor a parameter: what follows is not to be trusted either.
            if next.len() == rest.len() {
                break;
            }
            rest = next;
        }
        found
    }

    fn of(scheme: &str, params: &[(String, String)]) -> Option<Self> {
        let value = |name: &str| {
            let found = params.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic {
                realm: value("realm"),
            });
        }
        if !scheme.eq_ignore_ascii_case("bearer") || value("realm").is_empty() {
            return None;
        }
        Some(Self::Bearer {
            realm: value("realm"),
            service: value("service"),
            scope: value("scope"),
            error: value("error"),
        })
    }
}

/// A token of RFC 9110 at the beginning, and what follows it.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// `name=value` and `name="value"` with commas between them, up to the next scheme.
fn parameters(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        let start = rest.trim_start_matches([' ', '\t', ',']);
        let Some((name, after)) = token(start) else {
            return (found, start);
        };
        let after = after.trim_start_matches([' ', '\t']);
        let Some(value) = after.strip_prefix('=') else {
            // A word without `=` is the next challenge's scheme.
            return (found, start);
        };
        let Some((value, after)) = value_of(value.trim_start_matches([' ', '\t'])) else {
            return (found, "");
        };
        found.push((name.to_ascii_lowercase(), value));
        rest = after;
    }
}

fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, next)) = chars.next() {
        match next {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: &str, scope: &str, error: &str) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.to_owned(),
            scope: scope.to_owned(),
            error: error.to_owned(),
        }
    }

    fn basic(realm: &str) -> Challenge {
        Challenge::Basic {
            realm: realm.to_owned(),
        }
    }

    #[test]
    fn headers_of_real_registries() {
        let cases = [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                vec![bearer(
                    "https://auth.docker.io/token",
                    "registry.docker.io",
                    "repository:a/b:pull,push",
                    "",
                )],
            ),
            (
                r#"bearer realm = "https://t/" , error="invalid_token""#,
                vec![bearer("https://t/", "", "", "invalid_token")],
            ),
            (r#"Basic realm="a \"b\"""#, vec![basic("a \"b\"")]),
            ("Basic", vec![basic("")]),
            (
                r#"Negotiate, Basic realm=x, Bearer realm="https://t",service=s"#,
                vec![basic("x"), bearer("https://t", "s", "", "")],
            ),
            (r#"Bearer service="no realm""#, vec![]),
            (r#"Bearer realm="open"#, vec![]),
            ("", vec![]),
            ("=", vec![]),
            (", ,", vec![]),
        ];
        for (header, expected) in cases {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn any_header_is_read_to_an_end(header in r#"[ ,="\\a-zA-Z:/é]{0,80}"#) {
            let _ = Challenge::parse(&header);
        }
    }
}
