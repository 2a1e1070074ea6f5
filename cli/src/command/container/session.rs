//! An attached container from the first byte to its exit code: what `run`, `start -a`, `attach`
//! share.

use anyhow::Result;
use gantry_engine_api::container::WaitResponse;

use crate::client::{Client, Hijacked, Reply};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::terminal::{Caught, DetachKeys, Ending, RawMode, Streams, follow_size, forward, pump};

/// What is attached, and how.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) tty: bool,
    /// `--detach-keys`, as given.
    pub(crate) detach_keys: String,
    /// What was on the container's screen is drawn anew: its program is told of two sizes.
    pub(crate) redraw: bool,
}

/// How an attached session ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// All output was seen.
    Over,
    /// The user left with the detach keys.
    Detached,
}

impl Attachment {
    /// Opens the stream: `POST /containers/ID/attach`.
    pub(crate) async fn open(&self, client: &Client, id: &str) -> Result<Hijacked> {
        let call = client
            .post(format!("/containers/{id}/attach"))
            .flag("stream", true)
            .flag("stdin", self.stdin)
            .flag("stdout", self.stdout)
            .flag("stderr", self.stderr)
            .maybe(
                "detachKeys",
                (!self.detach_keys.is_empty()).then_some(&*self.detach_keys),
            );
        Ok(call.hijack().await?)
    }

    /// Pumps until the output is over or the user leaves. `object` is what is resized.
    pub(crate) async fn pump(
        &self,
        cx: &Context,
        hijacked: Hijacked,
        object: Option<&str>,
    ) -> Result<Left> {
        let raw = if self.tty && self.stdin {
            RawMode::enter()?
        } else {
            None
        };
        let detach = raw
            .is_some()
            .then(|| DetachKeys::parse(&self.detach_keys))
            .transpose()?;
        let output = self.stdout || self.stderr;
        let streams = Streams {
            input: self.stdin,
            output,
            framed: !self.tty,
            detach,
        };
        let mut endings = pump(hijacked, &streams)?;
        let sizes = async {
            match object {
                Some(object) if self.tty => follow_size(cx.client(), object, self.redraw).await,
                _ => std::future::pending().await,
            }
        };
        tokio::pin!(sizes);
        let left = loop {
            let ending = tokio::select! {
                ending = endings.recv() => ending,
                () = &mut sizes => continue,
            };
            match ending {
                Some(Ending::Detached) => break Left::Detached,
                Some(Ending::OutputOver(end)) => {
                    end?;
                    break Left::Over;
                }
                Some(Ending::InputOver) if output => {}
                Some(Ending::InputOver) | None => break Left::Over,
            }
        };
        drop(raw);
        Ok(left)
    }
}

/// Runs `work` while signals are passed on to container `id`.
pub(crate) async fn with_signals<T>(
    cx: &Context,
    id: &str,
    caught: Option<Caught>,
    work: impl Future<Output = T>,
) -> T {
    let Some(caught) = caught else {
        return work.await;
    };
    tokio::select! {
        end = work => end,
        () = forward(cx.client(), id, caught) => unreachable!("forwarding never ends"),
    }
}

/// Asks to be told of the container's exit; the answer's head arrives before this returns.
pub(crate) async fn ask_exit(client: &Client, id: &str, condition: &'static str) -> Result<Reply> {
    let call = client.post(format!("/containers/{id}/wait"));
    Ok(call.query("condition", condition).send().await?)
}

/// The exit code that `wait` tells in the end.
pub(crate) async fn exit_code(reply: Reply) -> Result<Exit> {
    let bytes = reply.bytes().await?;
    let end: WaitResponse = serde_json::from_slice(&bytes)?;
    match end.error {
        Some(error) if !error.message.is_empty() => Err(Failure::new(
            125,
            format!("Error waiting for container: {}", error.message),
        )
        .into()),
        _ => Ok(Exit::of_container(end.status_code)),
    }
}
