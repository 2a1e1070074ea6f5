//! The body of every error answer.

use serde::{Deserialize, Serialize};

/// `{"message": …}`: stock clients print the message, and some parse it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorResponse {
    /// What failed, and why, down to the cause.
    pub message: String,
}
