//! `gantry exec`.

use anyhow::{Result, bail};
use gantry_engine_api::exec::{ExecCreateRequest, ExecInspect, ExecStartRequest, IdResponse};

use super::session::{Attachment, Left};
use crate::client::{Client, ClientError};
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::{Exit, Failure};
use crate::flags::environment;
use crate::terminal::{require_terminal, size};

/// Execute a command in a running container
#[derive(Debug, clap::Args)]
pub(crate) struct Exec {
    /// Run the command in the background
    #[arg(short, long)]
    detach: bool,
    /// Key sequence that detaches from the command
    #[arg(long, value_name = "string")]
    detach_keys: Option<String>,
    /// Set an environment variable
    #[arg(short, long, value_name = "list")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "list")]
    env_file: Vec<String>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// User name or id (<name|uid>[:<group|gid>])
    #[arg(short, long, value_name = "string")]
    user: Option<String>,
    /// Working directory inside the container
    #[arg(short, long, value_name = "string")]
    workdir: Option<String>,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Exec {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let request = self.request(cx)?;
        let container = &self.args[0];
        if !self.detach {
            require_terminal(request.attach_stdin, request.tty)?;
        }
        let call = cx
            .client()
            .post(format!("/containers/{container}/exec"))
            .json(&request);
        let id = call.fetch::<IdResponse>().await?.id;
        if id.is_empty() {
            bail!("exec ID empty");
        }
        let start = ExecStartRequest {
            detach: self.detach,
            tty: self.tty,
            console_size: request.console_size,
        };
        let call = cx.client().post(format!("/exec/{id}/start")).json(&start);
        if self.detach {
            return call
                .done()
                .await
                .map(|()| Exit::SUCCESS)
                .map_err(start_error);
        }
        let attachment = Attachment {
            stdin: request.attach_stdin,
            stdout: true,
            stderr: true,
            tty: self.tty,
            detach_keys: request.detach_keys,
            redraw: false,
        };
        let hijacked = call.hijack().await.map_err(start_error)?;
        let object = format!("/exec/{id}");
        match attachment.pump(cx, hijacked, Some(&object)).await? {
            Left::Detached => Ok(Exit::SUCCESS),
            Left::Over => exit_code(cx.client(), &id).await,
        }
    }
}

impl Exec {
    fn request(&self, cx: &Context) -> Result<ExecCreateRequest> {
        let attach = !self.detach;
        let size = size().filter(|_| self.tty);
        Ok(ExecCreateRequest {
            user: self.user.clone().unwrap_or_default(),
            privileged: self.privileged,
            tty: self.tty,
            console_size: size.map(|(rows, columns)| [u32::from(rows), u32::from(columns)]),
            attach_stdin: attach && self.interactive,
            attach_stdout: attach,
            attach_stderr: attach,
            detach: self.detach,
            detach_keys: self
                .detach_keys
                .as_ref()
                .unwrap_or(&cx.config.detach_keys)
                .clone(),
            env: environment(&self.env_file, &self.env)?.into(),
            working_dir: self.workdir.clone().unwrap_or_default(),
            cmd: self.args[1..].to_vec().into(),
        })
    }
}

/// What the runtime refused to start ends with 126 or 127.
fn start_error(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::Refused { message, .. } if message.contains("executable file not found") => {
            Failure::new(127, message).into()
        }
        error => error.into(),
    }
}

async fn exit_code(client: &Client, id: &str) -> Result<Exit> {
    let end: ExecInspect = client.get(format!("/exec/{id}/json")).fetch().await?;
    Ok(Exit::of_container(end.exit_code.unwrap_or(0)))
}
