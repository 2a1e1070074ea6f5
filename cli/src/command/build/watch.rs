//! Reads a build's stream to its end: events to the screen, files to whoever wants them.

use std::time::Duration;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gantry_engine_api::build::{BuildEvent, EVENT_ID};
use gantry_engine_api::progress::ProgressMessage;

use super::output::Files;
use super::screen::Progress;
use super::shell;
use crate::client::Reply;
use crate::context::Context;
use crate::exit::Failure;
use crate::progress::Messages;

/// How often a screen that shows running times is drawn anew.
const BEAT: Duration = Duration::from_millis(200);

/// Reads the stream; the id of the image, if one was made.
pub(super) async fn watch(
    cx: &Context,
    mut reply: Reply,
    screen: &mut dyn Progress,
    files: &mut Files,
) -> Result<Option<String>> {
    let mut stream = Stream::default();
    let mut beat = tokio::time::interval(BEAT);
    let mut messages = Messages::default();
    let ended = loop {
        let chunk = tokio::select! {
            biased;
            chunk = reply.chunk() => chunk,
            _ = beat.tick() => {
                screen.beat()?;
                continue;
            }
        };
        let Some(chunk) = chunk? else { break Ok(()) };
        messages.feed(&chunk, |message| stream.take(message, screen, files))?;
        if let Some(place) = stream.shell.take() {
            screen.pause()?;
            shell::enter(cx, &place).await?;
        }
        if let Some(text) = stream.failure.take() {
            break Err(text);
        }
    };
    screen.end(
        stream.image.as_deref(),
        ended.as_ref().err().map(String::as_str),
    )?;
    match ended {
        Ok(()) => Ok(stream.image),
        Err(text) => {
            let text = match stream.is_events {
                true => format!("ERROR: failed to build: failed to solve: {text}"),
                false => text,
            };
            Err(Failure::new(1, text).into())
        }
    }
}

/// What the stream has told so far.
#[derive(Default)]
struct Stream {
    image: Option<String>,
    failure: Option<String>,
    /// The place of a failed step, to be entered.
    shell: Option<String>,
    is_events: bool,
}

impl Stream {
    fn take(
        &mut self,
        message: ProgressMessage,
        screen: &mut dyn Progress,
        files: &mut Files,
    ) -> Result<()> {
        if message.id == EVENT_ID
            && let Some(aux) = message.aux
        {
            self.is_events = true;
            match serde_json::from_value(aux)? {
                BuildEvent::Files { data } => files.take(&STANDARD.decode(data)?),
                BuildEvent::Shell { id } => self.shell = Some(id),
                event => screen.take(&event)?,
            }
            return Ok(());
        }
        let detail = message.error_detail.map(|detail| detail.message);
        let failure = detail
            .filter(|text| !text.is_empty())
            .unwrap_or(message.error);
        if !failure.is_empty() {
            self.failure = Some(failure);
        } else if let Some(id) = message.aux.as_ref().and_then(|aux| aux["ID"].as_str()) {
            self.image = Some(id.to_owned());
        } else if !message.stream.is_empty() {
            screen.text(&message.stream)?;
        }
        Ok(())
    }
}
