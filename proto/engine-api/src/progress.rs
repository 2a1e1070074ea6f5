//! The JSON objects that load, import, pull, push and build stream.
//!
//! Once the first has been sent the answer's status is 200; a later failure travels as an object
//! with `error` and `errorDetail`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One object of a progress stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProgressMessage {
    /// Text that is printed as it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stream: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<ProgressDetail>,
    /// The bar as text, for clients that draw none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// Which layer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// Facts for programs, such as the id of a built image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<Value>,
}

impl ProgressMessage {
    /// Text that is printed as it is.
    #[must_use]
    pub fn stream(text: impl Into<String>) -> Self {
        Self {
            stream: text.into(),
            ..Self::default()
        }
    }

    /// A line that says what is being done.
    #[must_use]
    pub fn status(text: impl Into<String>) -> Self {
        Self {
            status: text.into(),
            ..Self::default()
        }
    }

    /// How far a layer is.
    #[must_use]
    pub fn layer(id: impl Into<String>, status: impl Into<String>, at: ProgressDetail) -> Self {
        Self {
            id: id.into(),
            status: status.into(),
            progress_detail: Some(at),
            ..Self::default()
        }
    }

    /// The failure that ends the stream.
    #[must_use]
    pub fn failure(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            error_detail: Some(ErrorDetail {
                code: 0,
                message: message.clone(),
            }),
            error: message,
            ..Self::default()
        }
    }
}

/// How many bytes of how many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDetail {
    #[serde(skip_serializing_if = "crate::config::is_zero")]
    pub current: i64,
    #[serde(skip_serializing_if = "crate::config::is_zero")]
    pub total: i64,
}

/// A failure in mid-stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    #[serde(skip_serializing_if = "crate::config::is_zero")]
    pub code: i64,
    pub message: String,
}
