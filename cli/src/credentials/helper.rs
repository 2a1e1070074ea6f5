//! `docker-credential-NAME get|store|erase`: a program that keeps logins.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::Login;

/// What helpers say when they have no login; every helper uses these words.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The name under which helpers keep identity tokens.
const TOKEN_USER: &str = "<token>";

/// One helper.
#[derive(Debug)]
pub(super) struct Helper {
    program: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    #[serde(rename = "ServerURL", default)]
    server: String,
    username: String,
    secret: String,
}

impl Helper {
    pub(super) fn new(name: &str) -> Self {
        Self::of(format!("docker-credential-{name}"))
    }

    /// The helper that is this program.
    pub(super) fn of(program: String) -> Self {
        Self { program }
    }

    pub(super) fn get(&self, server: &str) -> Result<Option<Login>> {
        let Some(answer) = self.run("get", server)? else {
            return Ok(None);
        };
        let kept: Kept = serde_json::from_slice(&answer)
            .with_context(|| format!("{} gave no login", self.program))?;
        let mut login = Login {
            serveraddress: server.to_owned(),
            ..Login::default()
        };
        if kept.username == TOKEN_USER {
            login.identitytoken = kept.secret;
        } else {
            login.username = kept.username;
            login.password = kept.secret;
        }
        Ok(Some(login))
    }

    pub(super) fn store(&self, login: &Login) -> Result<()> {
        let (username, secret) = match login.identitytoken.as_str() {
            "" => (login.username.clone(), login.password.clone()),
            token => (TOKEN_USER.to_owned(), token.to_owned()),
        };
        let kept = Kept {
            server: login.serveraddress.clone(),
            username,
            secret,
        };
        self.run("store", &serde_json::to_string(&kept)?).map(drop)
    }

    pub(super) fn erase(&self, server: &str) -> Result<()> {
        self.run("erase", server).map(drop)
    }

    /// Runs a verb with its input; none if there is no such login.
    fn run(&self, verb: &str, input: &str) -> Result<Option<Vec<u8>>> {
        let mut child = Command::new(&self.program)
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("error getting credentials: run {}", self.program))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A helper that does not read to the end is judged by its exit.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(Some(output.stdout));
        }
        let told = String::from_utf8_lossy(&output.stdout);
        if told.trim() == NOT_FOUND {
            return Ok(None);
        }
        bail!(
            "error getting credentials - err: {}, out: `{}`",
            output.status,
            told.trim()
        )
    }
}
