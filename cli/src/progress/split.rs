//! Cuts a stream that comes in chunks into progress messages.

use anyhow::{Result, bail};
use gantry_engine_api::progress::ProgressMessage;

/// What has come of a message that is not whole yet.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    rest: Vec<u8>,
}

impl Messages {
    /// Hands on every message that is whole with this chunk.
    pub(crate) fn feed(
        &mut self,
        chunk: &[u8],
        mut each: impl FnMut(ProgressMessage) -> Result<()>,
    ) -> Result<()> {
        self.rest.extend_from_slice(chunk);
        let mut messages = serde_json::Deserializer::from_slice(&self.rest).into_iter();
        let used = loop {
            match messages.next() {
                Some(Ok(message)) => each(message)?,
                Some(Err(error)) if !error.is_eof() => {
                    bail!("unexpected progress message: {error}")
                }
                Some(Err(_)) | None => break messages.byte_offset(),
            }
        };
        self.rest.drain(..used);
        Ok(())
    }
}
