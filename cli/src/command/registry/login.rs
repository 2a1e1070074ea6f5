//! `gantry login`: asks who the user is, has the engine try it, keeps it.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::context::Context;
use crate::credentials::{DOCKER_INDEX, Login, Logins, host_of};
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::terminal::without_echo;

/// Authenticate to a registry
#[derive(Debug, clap::Args)]
pub(crate) struct LogIn {
    /// Password or Personal Access Token (PAT)
    #[arg(short, long, value_name = "string")]
    password: Option<String>,
    /// Take the Password or Personal Access Token (PAT) from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Username
    #[arg(short, long, value_name = "string")]
    username: Option<String>,
    #[arg(value_name = "SERVER")]
    args: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    identity_token: String,
    #[serde(default)]
    status: String,
}

impl Execute for LogIn {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let server = server(self.args.first().map(String::as_str));
        let mut logins = Logins::open(&cx.config)?;
        let known = logins.get(&server)?;
        let mut login = match (&self.username, &self.password, known) {
            (None, None, Some(known)) if !self.password_stdin => {
                let user = if known.identitytoken.is_empty() {
                    format!(" [Username: {}]", known.username)
                } else {
                    String::new()
                };
                cx.printer
                    .say(format!("Authenticating with existing credentials...{user}"));
                known
            }
            _ => self.ask(cx, &server)?,
        };
        let answer: Answer = cx.client().post("/auth").json(&login).fetch().await?;
        if !answer.identity_token.is_empty() {
            login.identitytoken = answer.identity_token;
            login.password.clear();
        }
        if let Some(file) = logins.store(&login)? {
            cx.printer.say(format!(
                "\nWARNING! Your credentials are stored unencrypted in '{file}'.\nConfigure a credential \
                 helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n"
            ));
        }
        cx.printer.line(answer.status)?;
        Ok(Exit::SUCCESS)
    }
}

impl LogIn {
    fn ask(&self, cx: &Context, server: &str) -> Result<Login> {
        if self.password.is_some() {
            cx.printer
                .say("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
            if self.password_stdin {
                bail!("conflicting options: cannot specify both --password and --password-stdin");
            }
        }
        let username = self.username.clone().unwrap_or_default();
        if self.password_stdin {
            if username.is_empty() {
                bail!("the --password-stdin option requires --username to be set");
            }
            let mut password = String::new();
            io::stdin().read_to_string(&mut password)?;
            let password = password.trim_end_matches(['\r', '\n']).to_owned();
            return Ok(login(server, username, password));
        }
        let is_complete = !username.is_empty() && self.password.is_some();
        if !is_complete && !io::stdin().is_terminal() {
            bail!("Error: Cannot perform an interactive login from a non TTY device");
        }
        let username = match username.as_str() {
            "" => prompt("Username: ")?,
            _ => username,
        };
        if username.is_empty() {
            bail!("Error: Non-null Username Required");
        }
        let password = match &self.password {
            Some(password) => password.clone(),
            None => without_echo(|| prompt("Password: "))?,
        };
        if password.is_empty() {
            bail!("Error: Password Required");
        }
        Ok(login(server, username, password))
    }
}

fn login(server: &str, username: String, password: String) -> Login {
    Login {
        username,
        password,
        serveraddress: server.to_owned(),
        identitytoken: String::new(),
    }
}

/// What credentials call the registry that the user named; docker's own if none.
pub(super) fn server(given: Option<&str>) -> String {
    match given.map(host_of) {
        None | Some("" | "docker.io" | "index.docker.io" | "registry-1.docker.io") => {
            DOCKER_INDEX.to_owned()
        }
        Some(host) => host.to_owned(),
    }
}

fn prompt(text: &str) -> Result<String> {
    let mut out = io::stdout();
    write!(out, "{text}")?;
    out.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
