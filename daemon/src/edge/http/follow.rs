//! Asynchronous work as a stream of what it tells.
//!
//! The work is part of the answer's body: it goes on while the client reads, and a client that goes
//! away takes it along at once.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream;
use gantry_engine_api::progress::ProgressMessage;
use tokio::sync::mpsc;

use super::blocking::line;
use super::client::Client;
use super::error::{ApiError, ApiResult};
use super::json_lines;

/// Messages that may wait for a client.
const QUEUE: usize = 16;

type Work = Pin<Box<dyn Future<Output = Result<(), ApiError>> + Send>>;
type Gone = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Answers with a stream of what `work` tells. A failure before anything was told is an answer with
/// its own status; a later one is the stream's last object.
///
/// # Errors
/// What `work` failed with before it told anything.
pub async fn follow<F, W>(client: Client, work: W) -> ApiResult
where
    W: FnOnce(mpsc::Sender<ProgressMessage>) -> F,
    F: Future<Output = Result<(), ApiError>> + Send + 'static,
{
    let (sender, messages) = mpsc::channel(QUEUE);
    let mut state = State {
        messages,
        work: Some(Box::pin(work(sender))),
        gone: Box::pin(client.gone()),
        failed: None,
    };
    let Some(first) = state.next().await else {
        return match state.failed {
            Some(error) => Err(error),
            None => Ok(json_lines(stream::empty())),
        };
    };
    let lines = stream::unfold(Some((Some(first), state)), |state| async move {
        let (first, mut state) = state?;
        let message = match first {
            Some(first) => Some(first),
            None => state.next().await,
        };
        match message {
            Some(message) => Some((line(&message), Some((None, state)))),
            None => state.last().map(|last| (last, None)),
        }
    });
    Ok(json_lines(lines))
}

struct State {
    messages: mpsc::Receiver<ProgressMessage>,
    work: Option<Work>,
    gone: Gone,
    failed: Option<ApiError>,
}

impl State {
    /// The next message; none when the work has ended and everything was told.
    async fn next(&mut self) -> Option<ProgressMessage> {
        loop {
            let Some(work) = &mut self.work else {
                return self.messages.recv().await;
            };
            tokio::select! {
                biased;
                () = &mut self.gone => {
                    tracing::debug!("the client has left: its work is called off");
                    self.work = None;
                    return None;
                }
                Some(message) = self.messages.recv() => return Some(message),
                end = work => {
                    self.failed = end.err();
                    // Its sender goes with it, so that the messages come to an end.
                    self.work = None;
                }
            }
        }
    }

    fn last(self) -> Option<Bytes> {
        let error = self.failed?;
        Some(line(&ProgressMessage::failure(error.message())))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn text(answer: ApiResult) -> String {
        let body = answer.unwrap().into_body().collect().await.unwrap();
        String::from_utf8(body.to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn messages_come_in_order_and_a_late_failure_last() {
        let answer = follow(Client::default(), |messages| async move {
            for number in 0..40 {
                let message = ProgressMessage::status(number.to_string());
                messages.send(message).await.unwrap();
            }
            Err(ApiError::invalid("too bad"))
        });
        let text = text(answer.await).await;
        assert_eq!(text.lines().count(), 41);
        assert!(text.lines().last().unwrap().contains("too bad"));
    }

    #[tokio::test]
    async fn a_client_that_leaves_takes_the_work_along() {
        struct Dropped(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                let _ = self.0.take().map(|dropped| dropped.send(()));
            }
        }
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let (dropped, ended) = tokio::sync::oneshot::channel();
        let work = Dropped(Some(dropped));
        let answer = tokio::spawn(follow(Client::of(&ours), move |_messages| async move {
            let _work = work;
            std::future::pending().await
        }));
        drop(theirs);
        ended.await.unwrap();
        assert_eq!(text(answer.await.unwrap()).await, "");
    }

    #[tokio::test]
    async fn an_early_failure_is_the_answer() {
        let answer = follow(Client::default(), |_| async {
            Err(ApiError::not_found("nothing"))
        })
        .await;
        assert_eq!(answer.unwrap_err().message(), "nothing");
        assert_eq!(
            text(follow(Client::default(), |_| async { Ok(()) }).await).await,
            ""
        );
    }
}
