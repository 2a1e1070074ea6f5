//! A session in messages: the same connection as that of `POST /session`, carried within a call
//! (`Control/Session`). A client that opens several sessions over one connection does it so.

use std::io;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tonic::{Status, Streaming};

use crate::wire::control::BytesMessage;

/// How much may be under way in either direction, bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// How much goes into a message, bytes.
const PIECE_BYTES: usize = 64 << 10;

/// The connection that a call's messages make, and the messages to answer with. Must be called
/// within a runtime.
///
/// When the client is gone, the connection ends; when the connection is dropped, the answers end.
pub(crate) fn carry(
    messages: Streaming<BytesMessage>,
) -> (
    DuplexStream,
    impl Stream<Item = Result<BytesMessage, Status>> + Send,
) {
    let (near, far) = tokio::io::duplex(BUFFER_BYTES);
    let (reader, writer) = tokio::io::split(far);
    tokio::spawn(take(messages, writer));
    (near, answers(reader))
}

/// Puts what the client sends into the connection, until either is gone.
async fn take(mut messages: Streaming<BytesMessage>, mut writer: WriteHalf<DuplexStream>) {
    while let Ok(Some(message)) = messages.message().await {
        if writer.write_all(&message.data).await.is_err() {
            return;
        }
    }
    // The other half lives on for what is still to be answered.
    let _ = writer.shutdown().await;
}

/// What comes out of the connection, in messages.
fn answers(
    reader: ReadHalf<DuplexStream>,
) -> impl Stream<Item = Result<BytesMessage, Status>> + Send {
    stream::unfold(reader, |mut reader| async {
        match piece(&mut reader).await {
            Ok(data) if data.is_empty() => None,
            Ok(data) => Some((Ok(BytesMessage { data }), reader)),
            Err(_) => None,
        }
    })
}

async fn piece(reader: &mut ReadHalf<DuplexStream>) -> io::Result<Bytes> {
    let mut piece = bytes::BytesMut::with_capacity(PIECE_BYTES);
    reader.read_buf(&mut piece).await?;
    Ok(piece.freeze())
}
