//! Runtimes with arguments of their own (`runtimeArgs`): the shim runs one program, so that a script
//! puts the arguments before the verb, as in dockerd.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::error::ContainerError;
use crate::config::{Config, RuntimeEntry};

/// The program for the shim: the runtime itself, or its script.
///
/// # Errors
/// The script cannot be written.
pub(super) fn with_arguments(
    config: &Config,
    name: &str,
    entry: &RuntimeEntry,
    binary: PathBuf,
) -> Result<PathBuf, ContainerError> {
    if entry.args.is_empty() {
        return Ok(binary);
    }
    let script = config.data_root.join("runtimes").join(name);
    let text = script_text(&binary, &entry.args);
    if fs::read_to_string(&script).is_ok_and(|written| written == text) {
        return Ok(script);
    }
    write(&script, &text).map_err(|source| ContainerError::File {
        step: "write runtime script",
        path: script.clone(),
        source,
    })?;
    Ok(script)
}

/// Replaced by a rename: a shim may be about to run the old one.
fn write(script: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = script.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = script.with_extension("new");
    fs::write(&new, text)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o700))?;
    fs::rename(&new, script)
}

fn script_text(binary: &Path, args: &[String]) -> String {
    let mut text = format!("#!/bin/sh\nexec {}", quoted(&binary.to_string_lossy()));
    for arg in args {
        text.push(' ');
        text.push_str(&quoted(arg));
    }
    text.push_str(" \"$@\"\n");
    text
}

/// As one word of a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_words_of_their_own() {
        let args = ["--debug".to_owned(), "it's; $HOME".to_owned()];
        assert_eq!(
            script_text(Path::new("/usr/bin/crun"), &args),
            "#!/bin/sh\nexec '/usr/bin/crun' '--debug' 'it'\\''s; $HOME' \"$@\"\n"
        );
    }
}
