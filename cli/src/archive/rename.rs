//! Gives the top entry of an archive another name.

/// The entry `name` with its first part replaced; `whole` archives of `/` have no first part.
pub(crate) fn rename_top(name: &str, top: Option<&str>, whole: bool) -> String {
    let Some(top) = top else {
        return name.to_owned();
    };
    let inner = name.trim_start_matches('/');
    let rest = if whole {
        inner.strip_prefix("./").unwrap_or(inner)
    } else {
        inner.split_once('/').map_or("", |(_, rest)| rest)
    };
    if rest.is_empty() {
        top.to_owned()
    } else {
        format!("{top}/{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_part_changes() {
        let table = [
            ("d/", false, "t"),
            ("d/f", false, "t/f"),
            ("f", false, "t"),
            ("./", false, "t"),
            ("./f", false, "t/f"),
            ("/", true, "t"),
            ("/bin/sh", true, "t/bin/sh"),
        ];
        for (name, whole, want) in table {
            assert_eq!(rename_top(name, Some("t"), whole), want, "{name}");
        }
        assert_eq!(rename_top("d/f", None, false), "d/f");
    }
}
