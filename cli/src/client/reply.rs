//! An answer of the engine, its body still to be read.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;

use super::error::ClientError;
use super::hijack::Hijacked;

/// How much of an error's body is read: it is one sentence.
const ERROR_LIMIT: usize = 1 << 20;

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    response: Response<Incoming>,
}

impl Reply {
    pub(super) fn new(response: Response<Incoming>) -> Self {
        Self { response }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Whether a container's output comes in frames; `None` from engines that do not say.
    pub(crate) fn is_multiplexed(&self) -> Option<bool> {
        match self
            .headers()
            .get(http::header::CONTENT_TYPE)?
            .to_str()
            .ok()?
        {
            "application/vnd.docker.multiplexed-stream" => Some(true),
            // Also what older engines say for both.
            _ => None,
        }
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        while let Some(frame) = self.response.body_mut().frame().await {
            if let Ok(data) = frame.map_err(ClientError::Transport)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// The whole body.
    pub(crate) async fn bytes(self) -> Result<Bytes, ClientError> {
        let body = self
            .response
            .into_body()
            .collect()
            .await
            .map_err(ClientError::Transport)?;
        Ok(body.to_bytes())
    }

    /// Turns an answer of 400 and above into the engine's error.
    pub(super) async fn accept(self) -> Result<Self, ClientError> {
        let status = self.status();
        if status.is_client_error() || status.is_server_error() {
            return Err(self.into_error().await);
        }
        Ok(self)
    }

    /// The engine's refusal, from `{"message": …}`.
    pub(super) async fn into_error(mut self) -> ClientError {
        #[derive(Deserialize)]
        struct Refusal {
            message: String,
        }
        let status = self.status();
        let mut body = BytesMut::new();
        while let Ok(Some(chunk)) = self.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > ERROR_LIMIT {
                break;
            }
        }
        let message = match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) => refusal.message.trim().to_owned(),
            Err(_) if body.is_empty() => status.to_string(),
            Err(_) => String::from_utf8_lossy(&body).trim().to_owned(),
        };
        ClientError::Refused {
            status: status.as_u16(),
            message,
        }
    }

    pub(super) async fn hijack(self, what: String) -> Result<Hijacked, ClientError> {
        if self.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(ClientError::Hijack {
                what,
                status: self.status().as_u16(),
            });
        }
        // Which framing follows: raw for a terminal, multiplexed else (API 1.42 and newer say so).
        let upgraded = hyper::upgrade::on(self.response)
            .await
            .map_err(ClientError::Transport)?;
        Hijacked::from_upgraded(upgraded, what)
    }
}
