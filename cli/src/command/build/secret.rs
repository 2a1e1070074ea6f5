//! `--secret`: where a secret of the client comes from.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::flags::csv;

/// `id=NAME[,src=FILE|env=VARIABLE][,type=file|env]`; without a place it is a variable of that name, or
/// a file.
pub(super) fn secret(text: &str) -> Result<(String, Vec<u8>)> {
    let (mut id, mut file, mut variable, mut kind) = (None, None, None, None);
    for field in csv(text)? {
        let split = field.split_once('=');
        let (key, value) =
            split.with_context(|| format!("invalid field '{field}' must be a key=value pair"))?;
        match key.to_ascii_lowercase().as_str() {
            "id" => id = Some(value.to_owned()),
            "source" | "src" => file = Some(value.to_owned()),
            "env" => variable = Some(value.to_owned()),
            "type" if matches!(value, "file" | "env") => kind = Some(value.to_owned()),
            "type" => bail!("unsupported secret type {value:?}"),
            _ => bail!("unexpected key '{key}' in '{field}'"),
        }
    }
    let name = id.or_else(|| file.clone()).or_else(|| variable.clone());
    let id = name.with_context(|| format!("invalid secret {text}: it has no id"))?;
    if kind.as_deref() == Some("env") && variable.is_none() {
        variable = file.take().or_else(|| Some(id.clone()));
    }
    if variable.is_none() && file.is_none() && std::env::var_os(&id).is_some() {
        variable = Some(id.clone());
    }
    let bytes = match variable {
        Some(variable) => std::env::var(&variable)
            .with_context(|| format!("secret {id}: the variable {variable}"))?
            .into_bytes(),
        None => {
            let path = file.unwrap_or_else(|| id.clone());
            fs::read(&path).with_context(|| format!("secret {id}: open {path}"))?
        }
    };
    Ok((id, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_from_files_and_variables() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "hidden").unwrap();
        let path = file.path().display();
        let (id, bytes) = secret(&format!("id=token,src={path}")).unwrap();
        assert_eq!((id.as_str(), bytes.as_slice()), ("token", &b"hidden"[..]));
        let home = std::env::var("PATH").unwrap().into_bytes();
        assert_eq!(secret("id=PATH").unwrap().1, home);
        assert_eq!(
            secret("id=x,env=PATH").unwrap(),
            ("x".to_owned(), home.clone())
        );
        assert_eq!(secret("type=env,id=PATH").unwrap().1, home);
        for (text, said) in [
            ("token", "invalid field 'token' must be a key=value pair"),
            ("id=a,colour=red", "unexpected key 'colour' in 'colour=red'"),
            ("id=a,type=tape", "unsupported secret type \"tape\""),
        ] {
            assert_eq!(secret(text).unwrap_err().to_string(), said);
        }
        assert!(secret("id=a,src=/nowhere/at/all").is_err());
    }
}
