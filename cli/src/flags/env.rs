//! Environment variables and labels: on the command line and in files.

use std::fs;

use anyhow::{Context as _, Result, bail};

/// `--env-file` first, then `--env`; a name alone takes its value from this process.
pub(crate) fn environment(files: &[String], given: &[String]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in files {
        for line in lines(file)? {
            let (name, value) = split(&line)?;
            match (value, std::env::var(name)) {
                (Some(_), _) => all.push(line),
                (None, Ok(value)) => all.push(format!("{name}={value}")),
                // Not set here: not passed on.
                (None, Err(_)) => {}
            }
        }
    }
    for entry in given {
        if entry.starts_with('=') || entry.is_empty() {
            bail!("invalid environment variable: {entry}");
        }
        match (entry.contains('='), std::env::var(entry)) {
            (false, Ok(value)) => all.push(format!("{entry}={value}")),
            // `NAME` alone and not set here removes the image's variable.
            _ => all.push(entry.clone()),
        }
    }
    Ok(all)
}

/// The lines of a file that are neither empty nor comments.
fn lines(file: &str) -> Result<Vec<String>> {
    let text = fs::read(file).with_context(|| format!("open {file}"))?;
    let Ok(text) = String::from_utf8(text) else {
        bail!("env file {file} contains invalid utf8 bytes")
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let useful = |line: &&str| !line.is_empty() && !line.starts_with('#');
    Ok(text
        .lines()
        .map(str::trim_start)
        .filter(useful)
        .map(str::to_owned)
        .collect())
}

fn split(line: &str) -> Result<(&str, Option<&str>)> {
    let (name, value) = match line.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (line, None),
    };
    if name.is_empty() {
        bail!("no variable name on line '{line}'");
    }
    if name.contains(char::is_whitespace) {
        bail!("variable '{name}' contains whitespaces");
    }
    Ok((name, value))
}

/// Labels from files, then from the command line; a name alone is empty.
pub(crate) fn labels(files: &[String], given: &[String]) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for file in files {
        for line in lines(file)? {
            split(&line)?;
            all.push(line);
        }
    }
    all.extend_from_slice(given);
    Ok(key_values(&all))
}

/// `key=value` pairs; a key alone has an empty value.
pub(crate) fn key_values(given: &[String]) -> Vec<(String, String)> {
    given
        .iter()
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_first_and_comments_do_not_count() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(
            file.path(),
            "# note\n\n  A=1 2\nGANTRY_SURELY_NOT_SET\nB=\n",
        )
        .unwrap();
        let files = [file.path().to_str().unwrap().to_owned()];
        let all = environment(
            &files,
            &["C=3".to_owned(), "GANTRY_SURELY_NOT_SET".to_owned()],
        );
        assert_eq!(
            all.unwrap(),
            ["A=1 2", "B=", "C=3", "GANTRY_SURELY_NOT_SET"]
        );
    }

    #[test]
    fn bad_lines_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["A B=1", "=x"] {
            fs::write(file.path(), text).unwrap();
            let files = [file.path().to_str().unwrap().to_owned()];
            assert!(environment(&files, &[]).is_err(), "{text}");
        }
    }
}
