//! Secrets and credentials of the client.

use super::{CallError, ORIGIN, Session};
use crate::wire::moby::buildkit::secrets::v1::GetSecretRequest;
use crate::wire::moby::buildkit::secrets::v1::secrets_client::SecretsClient;
use crate::wire::moby::filesync::v1::auth_client::AuthClient;
use crate::wire::moby::filesync::v1::{CredentialsRequest, CredentialsResponse};

const GET_SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";

/// The largest secret, bytes: BuildKit's limit.
const SECRET_BYTES_MAX: usize = 500 << 10;

impl Session {
    /// A secret's bytes; none if the client does not know it.
    ///
    /// # Errors
    /// The client refused for another reason, or is gone.
    pub async fn secret(&self, id: &str) -> Result<Option<Vec<u8>>, CallError> {
        if self.requires(GET_SECRET).is_err() {
            return Ok(None);
        }
        let mut client = SecretsClient::with_origin(self.channel(), http::Uri::from_static(ORIGIN))
            .max_decoding_message_size(SECRET_BYTES_MAX + 1024);
        let request = GetSecretRequest { id: id.to_owned() };
        let answer = client.get_secret(request).await;
        match answer.map_err(CallError::of("ask the client for a secret")) {
            Ok(answer) => Ok(Some(answer.into_inner().data)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The client's user name and password for a registry; none if it has none.
    ///
    /// # Errors
    /// The client refused for another reason, or is gone.
    pub async fn credentials(&self, host: &str) -> Result<Option<(String, String)>, CallError> {
        if self.requires(CREDENTIALS).is_err() {
            return Ok(None);
        }
        let mut client = AuthClient::with_origin(self.channel(), http::Uri::from_static(ORIGIN));
        let request = CredentialsRequest {
            host: host.to_owned(),
        };
        let answer = client.credentials(request).await;
        match answer.map_err(CallError::of("ask the client for credentials")) {
            Ok(answer) => {
                let CredentialsResponse { username, secret } = answer.into_inner();
                let has_any = !(username.is_empty() && secret.is_empty());
                Ok(has_any.then_some((username, secret)))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
