//! `gantry run`: create, attach, wait, start, in that order, so that no byte and no exit is
//! missed.

use anyhow::{Result, bail};
use gantry_engine_api::CreateRequest;

use super::create::{create, refuse};
use super::session::{Attachment, Left, ask_exit, exit_code, with_signals};
use crate::client::{ClientError, refusal};
use crate::context::Context;
use crate::dispatch::{Execute, go_bool};
use crate::exit::{Exit, code_of_start_error};
use crate::flags::CreateFlags;
use crate::terminal::{DetachKeys, catch, require_terminal, size};

/// Create and run a new container from an image
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// Run in the background and print the container's id
    #[arg(short, long)]
    detach: bool,
    /// Key sequence that detaches from the container
    #[arg(long, value_name = "string")]
    detach_keys: Option<String>,
    /// Pass signals on to the container
    #[arg(long, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = go_bool)]
    sig_proxy: bool,
    #[command(flatten)]
    flags: CreateFlags,
    #[arg(value_name = "IMAGE")]
    args: Vec<String>,
}

impl Execute for Run {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        if self.detach && !self.flags.process.attach.is_empty() {
            bail!("conflicting options: cannot specify both --attach and --detach");
        }
        let request = self
            .request()
            .map_err(|error| refuse(cx, ("run", 125), &error))?;
        let attached = request.config.attach_stdin;
        require_terminal(attached, request.config.tty)?;
        let id = match create(cx, &self.flags, &request).await {
            Ok(id) => id,
            Err(error) => return Err(refuse(cx, ("run", 125), &error)),
        };
        if self.detach {
            self.background(cx, &id).await
        } else {
            self.foreground(cx, &id, &request).await
        }
    }
}

impl Run {
    fn request(&self) -> Result<CreateRequest> {
        let mut request = self.flags.request(&self.args[0], &self.args[1..])?;
        let config = &mut request.config;
        if self.detach {
            config.attach_stdin = false;
            config.attach_stdout = false;
            config.attach_stderr = false;
            config.stdin_once = false;
        }
        if let Some(keys) = &self.detach_keys {
            DetachKeys::parse(keys)?;
        }
        if let (true, Some((rows, columns))) = (config.tty, size()) {
            request.host_config.console_size = [u32::from(rows), u32::from(columns)];
        }
        Ok(request)
    }

    async fn background(&self, cx: &Context, id: &str) -> Result<Exit> {
        self.start(cx, id).await?;
        cx.printer.line(id)?;
        Ok(Exit::SUCCESS)
    }

    async fn start(&self, cx: &Context, id: &str) -> Result<()> {
        let call = cx.client().post(format!("/containers/{id}/start"));
        match call.done().await {
            Ok(()) => Ok(()),
            Err(ClientError::Refused { status, message }) => {
                let code = code_of_start_error(&message);
                Err(refuse(
                    cx,
                    ("run", code),
                    &ClientError::Refused { status, message }.into(),
                ))
            }
            Err(error) => Err(refuse(cx, ("run", 125), &error.into())),
        }
    }

    async fn foreground(&self, cx: &Context, id: &str, request: &CreateRequest) -> Result<Exit> {
        let config = &request.config;
        let caught = self.sig_proxy.then(catch);
        let keys = self
            .detach_keys
            .clone()
            .unwrap_or_else(|| cx.config.detach_keys.clone());
        let attachment = Attachment {
            stdin: config.attach_stdin,
            stdout: config.attach_stdout,
            stderr: config.attach_stderr,
            tty: config.tty,
            detach_keys: keys,
            redraw: false,
        };
        with_signals(cx, id, caught, async {
            let asked = async {
                let hijacked = attachment.open(cx.client(), id).await?;
                let condition = if self.flags.rm {
                    "removed"
                } else {
                    "next-exit"
                };
                anyhow::Ok((hijacked, ask_exit(cx.client(), id, condition).await?))
            };
            let (hijacked, exit) = asked
                .await
                .map_err(|error| refuse(cx, ("run", 125), &error))?;
            if let Err(error) = self.start(cx, id).await {
                if self.flags.rm {
                    // The engine removes it by itself; its name is free when we return.
                    let _ = exit_code(exit).await;
                }
                return Err(error);
            }
            let object = format!("/containers/{id}");
            match attachment.pump(cx, hijacked, Some(&object)).await? {
                Left::Detached => Ok(Exit::SUCCESS),
                Left::Over => exit_code(exit).await,
            }
        })
        .await
        .map_err(|error| keep(cx, error))
    }
}

/// An engine's refusal in mid-session takes docker's code for it.
fn keep(cx: &Context, error: anyhow::Error) -> anyhow::Error {
    if refusal(&error).is_some() {
        refuse(cx, ("run", 125), &error)
    } else {
        error
    }
}
