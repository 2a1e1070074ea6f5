//! Sending results to the client (`moby.filesync.v1.FileSend`): a directory or a file.

use std::os::fd::OwnedFd;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;

use super::headers::add;
use super::{CallError, Channel, ORIGIN, Session};
use crate::fsutil::{Packet, SendError, Sender};
use crate::wire::moby::filesync::v1::BytesMessage;

const DIFF_COPY: &str = "/moby.filesync.v1.FileSend/DiffCopy";
const WHAT: &str = "send the result to the client";

/// How many messages may wait for the connection.
const QUEUE: usize = 16;

/// How much of a file goes into a message, bytes.
const PIECE_BYTES: usize = 64 << 10;

/// Why a result was not sent.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The client refused, or is gone.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The disk refused, or the client asked for nonsense.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The client ended before it had everything.
    #[error("the client stopped receiving files")]
    Ended,
}

impl Session {
    /// Sends a directory's contents as the client's export of a number; `sent` is told the bytes of
    /// files so far.
    ///
    /// It reads from disk as it goes: to be awaited on a thread that may block.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn send_directory(
        &self,
        export: usize,
        root: OwnedFd,
        sent: &dyn Fn(u64),
    ) -> Result<(), ExportError> {
        let mut sender = Sender::new(root)?;
        let (queue, packets) = mpsc::channel::<Packet>(QUEUE);
        // The client's answer may begin as late as its first question.
        let mut call = std::pin::pin!(self.call(export, ReceiverStream::new(packets)));
        let mut answers: Option<Streaming<Packet>> = None;
        let mut bytes = 0;
        let mut next = sender.produce()?;
        while !sender.is_finished() || next.is_some() {
            let (has_next, has_answers) = (next.is_some(), answers.is_some());
            tokio::select! {
                permit = queue.reserve(), if has_next => {
                    let permit = permit.map_err(|_| ExportError::Ended)?;
                    let packet = next.take().expect("there is one");
                    bytes += u64::try_from(packet.data.len()).unwrap_or(u64::MAX);
                    permit.send(packet);
                    sent(bytes);
                }
                opened = &mut call, if !has_answers => answers = Some(opened?),
                answer = message(&mut answers), if has_answers => {
                    sender.take(&answer?.ok_or(ExportError::Ended)?)?;
                }
            }
            if next.is_none() {
                next = sender.produce()?;
            }
        }
        drop(queue);
        while message(&mut answers).await?.is_some() {}
        Ok(())
    }

    /// Sends a file as the client's export of a number: what comes from the channel, to its end.
    ///
    /// # Errors
    /// The client refused, or is gone.
    pub async fn send_file(
        &self,
        export: usize,
        pieces: mpsc::Receiver<Bytes>,
    ) -> Result<(), CallError> {
        use tokio_stream::StreamExt;
        let messages = ReceiverStream::new(pieces).map(|data| BytesMessage { data });
        let mut answers: Streaming<BytesMessage> = self.call(export, messages).await?;
        while answers
            .message()
            .await
            .map_err(CallError::of(WHAT))?
            .is_some()
        {}
        Ok(())
    }

    /// How large a piece for [`Self::send_file`] should be, bytes.
    #[must_use]
    pub const fn piece_bytes() -> usize {
        PIECE_BYTES
    }

    /// The call itself: packets and bytes go by the same name.
    async fn call<M, S>(&self, export: usize, messages: S) -> Result<Streaming<M>, CallError>
    where
        M: prost::Message + Default + 'static,
        S: tokio_stream::Stream<Item = M> + Send + 'static,
    {
        self.requires(DIFF_COPY)?;
        let mut request = Request::new(messages);
        let key = "buildkit-attachable-exporter-id";
        add(request.metadata_mut(), key, &[export.to_string()]);
        let mut client: Grpc<Channel> =
            Grpc::with_origin(self.channel(), http::Uri::from_static(ORIGIN));
        let failed = CallError::of(WHAT);
        if client.ready().await.is_err() {
            return Err(failed(tonic::Status::unavailable("the client is gone")));
        }
        let path = PathAndQuery::from_static(DIFF_COPY);
        let answer = client
            .streaming(request, path, ProstCodec::<M, M>::default())
            .await;
        Ok(answer.map_err(failed)?.into_inner())
    }
}

/// The next message, of a call that was answered.
async fn message<M>(answers: &mut Option<Streaming<M>>) -> Result<Option<M>, CallError> {
    let answers = answers.as_mut().expect("the call was answered");
    answers.message().await.map_err(CallError::of(WHAT))
}
