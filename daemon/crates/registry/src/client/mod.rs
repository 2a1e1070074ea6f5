//! The distribution protocol over HTTP (OCI distribution specification 1.1).
//!
//! [`Registries`] knows how to reach registries; a [`Repository`] is one repository at one endpoint,
//! with one client's credentials. Every answer is read with a limit.

mod answer;
mod download;
mod exchange;
mod read;
mod search;
mod upload;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use reqwest::Client;
use url::Url;

pub use download::Download;
pub use read::{BlobAnswer, Fetched, TAGS_MAX};
pub use search::SearchHit;
pub use upload::{CHUNK_BYTES, Mounted, Upload};

use crate::auth::{Auth, repository_scope};
use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::error::RegistryError;
use crate::hosts::{Endpoint, Purpose, RegistryOptions, TlsPolicy};
use crate::retry::Attempts;
use crate::tls;

/// All registries: options and open connections. Shared by reference; cheap to ask.
#[derive(Debug, Default)]
pub struct Registries {
    options: RwLock<Arc<RegistryOptions>>,
    clients: Mutex<HashMap<TlsPolicy, Client>>,
}

/// One repository at one endpoint. Cloning shares tokens and connections.
#[derive(Debug, Clone)]
pub struct Repository(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registries: Arc<Registries>,
    http: Client,
    endpoint: Endpoint,
    path: String,
    scopes: Vec<String>,
    auth: Mutex<Auth>,
    /// Held while a token is fetched, so that many layers fetch one.
    asking: tokio::sync::Mutex<()>,
}

impl Registries {
    /// Registries as the daemon was told to reach them.
    #[must_use]
    pub fn new(options: RegistryOptions) -> Self {
        Self {
            options: RwLock::new(Arc::new(options)),
            clients: Mutex::default(),
        }
    }

    /// The options as they are now.
    #[must_use]
    pub fn options(&self) -> Arc<RegistryOptions> {
        let options = self.options.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&options)
    }

    /// Replaces the options (a reload of the configuration). Certificates are read again.
    pub fn set_options(&self, options: RegistryOptions) {
        *self.options.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(options);
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// The places to ask for a repository of `domain`, in order. Its name is looked up if networks are allowed to be
    /// insecure; one that cannot be found is in none of them.
    ///
    /// # Errors
    /// As [`RegistryOptions::endpoints`].
    pub async fn endpoints(
        &self,
        domain: &str,
        purpose: Purpose,
    ) -> Result<Vec<Endpoint>, RegistryError> {
        let options = self.options();
        let mut addresses = Vec::new();
        if let Some(name) = options.name_to_look_up(domain) {
            let found = tokio::net::lookup_host((name, 0));
            let found = tokio::time::timeout(LOOKUP_LIMIT, found).await;
            if let Ok(Ok(found)) = found {
                addresses.extend(found.map(|address| address.ip()));
            }
        }
        options.endpoints(domain, &addresses, purpose)
    }

    /// Opens a repository at an endpoint: asks it for a sign of life, and what it wants to be told.
    ///
    /// # Errors
    /// [`RegistryError::Transport`] if it does not answer.
    pub async fn open(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        path: &str,
        purpose: Purpose,
        credentials: Credentials,
    ) -> Result<Repository, RegistryError> {
        let actions = match purpose {
            Purpose::Pull => "pull",
            Purpose::Push => "pull,push",
        };
        let scopes = vec![repository_scope(path, actions)];
        let repository = self.connect(endpoint, path, scopes, credentials)?;
        repository.ping().await?;
        Ok(repository)
    }

    /// Opens a registry as such, to try credentials.
    ///
    /// # Errors
    /// [`RegistryError::Transport`] if it does not answer.
    pub async fn log_in(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        credentials: Credentials,
    ) -> Result<(), RegistryError> {
        let registry = self.connect(endpoint, "", Vec::new(), credentials)?;
        registry.ping().await?;
        registry.log_in().await
    }

    fn connect(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        path: &str,
        scopes: Vec<String>,
        credentials: Credentials,
    ) -> Result<Repository, RegistryError> {
        let credentials = match endpoint.is_mirror {
            // They were given for the registry that it mirrors.
            true => Credentials::Anonymous,
            false => credentials,
        };
        Ok(Repository(Arc::new(Inner {
            registries: Arc::clone(self),
            http: self.client(&endpoint.tls)?,
            endpoint: endpoint.clone(),
            path: path.to_owned(),
            scopes,
            auth: Mutex::new(Auth::new(credentials)),
            asking: tokio::sync::Mutex::new(()),
        })))
    }

    fn client(&self, policy: &TlsPolicy) -> Result<Client, RegistryError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(policy) {
            return Ok(client.clone());
        }
        let client = tls::client(policy, &self.options().proxy)?;
        clients.insert(policy.clone(), client.clone());
        Ok(client)
    }

    /// The client for an address that a registry named: a token server, another store of blobs.
    fn client_for(&self, url: &Url, near: &Inner) -> Result<Client, RegistryError> {
        if url.host_str() == near.endpoint.base.host_str() {
            return Ok(near.http.clone());
        }
        self.client(&TlsPolicy::default())
    }
}

impl Repository {
    /// The repository's path at the registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// The URL of something beneath `/v2/<path>/`.
    fn url(&self, rest: &str) -> Result<Url, RegistryError> {
        let base = &self.0.endpoint.base;
        let path = format!("{}/{rest}", self.0.path);
        base.join(&path)
            .map_err(|_| RegistryError::Host(base.to_string()))
    }

    /// `GET /v2/`: whether anybody is there, and which way in.
    async fn ping(&self) -> Result<(), RegistryError> {
        let answer = self.0.ping().await?;
        let challenges: Vec<_> = answer
            .headers()
            .get_all(http::header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(Challenge::parse)
            .collect();
        if answer.status() == http::StatusCode::UNAUTHORIZED && !challenges.is_empty() {
            // A refusal here is one for requests that need more than this one.
            let mut auth = self.0.lock_auth();
            let _ = auth.challenged(&self.0.scopes, &challenges, false);
        }
        Ok(())
    }
}

/// Runs `attempt` until it works, fails for good, or has failed often enough.
pub(crate) async fn with_retries<T, F, W>(most: u32, attempt: W) -> Result<T, RegistryError>
where
    F: Future<Output = Result<T, RegistryError>>,
    W: Fn() -> F,
{
    let mut attempts = Attempts::new(most);
    loop {
        match attempt().await {
            Err(error) if error.is_temporary() => {
                let Some(pause) = attempts.failed(error.retry_after(), fastrand::f64()) else {
                    return Err(error);
                };
                tracing::debug!(%error, pause_ms = pause.as_millis(), "asking the registry again");
                tokio::time::sleep(pause).await;
            }
            end => return end,
        }
    }
}

/// How long a whole call without a large body may take.
const CALL_LIMIT: Duration = Duration::from_secs(90);
/// How long the name of a registry may be looked up to see in which network it is.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);
