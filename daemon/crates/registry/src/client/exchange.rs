//! One request and its answer: credentials, tokens, redirects.

use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Body, Response};
use url::Url;

use super::answer::{Named, accept, refusal, whole};
use super::{CALL_LIMIT, Inner, Repository};
use crate::auth::{Auth, Grant, Refused, Step, TokenRequest};
use crate::challenge::Challenge;
use crate::error::RegistryError;
use crate::token::Token;

pub(super) const REDIRECTS_MAX: u32 = 5;
const TOKEN_MAX_BYTES: u64 = 1 << 20;
/// What docker's token servers know our kind by.
const CLIENT_ID: &str = "docker";

/// A request. Its body is small enough to be sent again.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<bytes::Bytes>,
    /// Scopes beside the repository's own.
    pub(super) extra_scopes: Vec<String>,
    /// Whether the whole exchange has a time limit; a blob's has only one on silence.
    pub(super) is_short: bool,
}

impl Call {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            extra_scopes: Vec::new(),
            is_short: true,
        }
    }

    pub(super) fn named(&self) -> Named {
        Named {
            method: go_method(&self.method),
            url: self.url.to_string(),
        }
    }
}

/// `GET` as Go's errors write it: `Get`.
fn go_method(method: &Method) -> &'static str {
    match *method {
        Method::HEAD => "Head",
        Method::POST => "Post",
        Method::PUT => "Put",
        Method::PATCH => "Patch",
        Method::DELETE => "Delete",
        _ => "Get",
    }
}

impl Repository {
    /// Sends a call, proving who we are if the registry asks; anything but success is an error.
    pub(super) async fn send(&self, call: &Call) -> Result<Response, RegistryError> {
        let response = self.send_unchecked(call).await?;
        accept(response, &call.named()).await
    }

    /// The same with any status but 401.
    pub(super) async fn send_unchecked(&self, call: &Call) -> Result<Response, RegistryError> {
        let mut scopes = self.0.scopes.clone();
        scopes.extend(call.extra_scopes.iter().cloned());
        for again in [false, true] {
            let authorization = self.0.authorization(&scopes).await?;
            let response = self.0.follow(call, authorization.as_deref()).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                return Ok(response);
            }
            let challenges = challenges(&response);
            let challenged = self.0.lock_auth().challenged(&scopes, &challenges, again);
            match challenged {
                Ok(()) => {}
                Err(cause @ (Refused::NoCredentials | Refused::NoWay)) => {
                    let named = call.named();
                    return Err(RegistryError::Unauthorized {
                        method: named.method,
                        url: named.url,
                        cause,
                    });
                }
                Err(Refused::Denied) => return Err(refusal(response, &call.named()).await),
            }
        }
        unreachable!("the second 401 is a refusal")
    }

    /// Whether the credentials are good: `GET /v2/` with them.
    pub(super) async fn log_in(&self) -> Result<(), RegistryError> {
        let call = Call::new(Method::GET, self.0.endpoint.base.clone());
        self.send(&call).await.map(drop)
    }
}

fn challenges(response: &Response) -> Vec<Challenge> {
    let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
    headers
        .filter_map(|value| value.to_str().ok())
        .flat_map(Challenge::parse)
        .collect()
}

impl Inner {
    pub(super) fn lock_auth(&self) -> MutexGuard<'_, Auth> {
        self.auth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn ping(&self) -> Result<Response, RegistryError> {
        let call = Call::new(Method::GET, self.endpoint.base.clone());
        self.follow(&call, None).await
    }

    /// The `Authorization` header for these scopes; asks the token server if need be.
    async fn authorization(&self, scopes: &[String]) -> Result<Option<String>, RegistryError> {
        let Step::Ask(_) = self.lock_auth().before(scopes, Instant::now()) else {
            return self.header_now(scopes);
        };
        let _asking = self.asking.lock().await;
        // Somebody else may have got it meanwhile.
        let step = self.lock_auth().before(scopes, Instant::now());
        if let Step::Ask(request) = step {
            let token = self.ask(&request).await?;
            self.lock_auth().got(&request, token);
        }
        self.header_now(scopes)
    }

    fn header_now(&self, scopes: &[String]) -> Result<Option<String>, RegistryError> {
        match self.lock_auth().before(scopes, Instant::now()) {
            Step::Send(header) => Ok(header),
            Step::Ask(_) => Err(RegistryError::WrongCredentials),
        }
    }

    /// Asks the token server.
    async fn ask(&self, request: &TokenRequest) -> Result<Token, RegistryError> {
        let bad = || RegistryError::Realm(request.realm.chars().take(200).collect());
        let mut url = Url::parse(&request.realm).map_err(|_| bad())?;
        let is_safe =
            url.scheme() == "https" || (url.scheme() == "http" && self.endpoint.is_insecure);
        if !is_safe {
            return Err(bad());
        }
        let http = self.registries.client_for(&url, self)?;
        let what = if request.grant == Grant::Anonymous {
            "anonymous"
        } else {
            "oauth"
        };
        let (named, sent) = match &request.grant {
            Grant::Refresh(token) => {
                let form = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("refresh_token", token)
                    .append_pair("service", &request.service)
                    .append_pair("scope", &request.scopes.join(" "))
                    .append_pair("client_id", CLIENT_ID)
                    .finish();
                let named = Named {
                    method: "Post",
                    url: url.to_string(),
                };
                let post = http
                    .post(url)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(form);
                (named, post)
            }
            Grant::Anonymous | Grant::Basic { .. } => {
                with_query(&mut url, request);
                let named = Named {
                    method: "Get",
                    url: url.to_string(),
                };
                let get = http.get(url);
                match &request.grant {
                    Grant::Basic { header, .. } => (named, get.header(AUTHORIZATION, header)),
                    _ => (named, get),
                }
            }
        };
        let answer = sent
            .timeout(CALL_LIMIT)
            .send()
            .await
            .map_err(|e| named.failed(e))?;
        match answer.status() {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let refusal = refusal(answer, &named).await;
                tracing::debug!(%refusal, "the token server refused");
                return Err(RegistryError::WrongCredentials);
            }
            _ => {
                let refusal = refusal(answer, &named).await;
                if refusal.is_temporary() {
                    return Err(refusal);
                }
                let why = refusal.to_string();
                return Err(RegistryError::TokenServer { what, why });
            }
        }
        let body = whole(answer, &named, TOKEN_MAX_BYTES).await?;
        Ok(Token::parse(&body, Instant::now())?)
    }

    /// Sends a call and follows redirects. Credentials go to their own origin only.
    pub(super) async fn follow(
        &self,
        call: &Call,
        authorization: Option<&str>,
    ) -> Result<Response, RegistryError> {
        let mut url = call.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.one(call, &url, authorization).await?;
            if !is_redirect(&response) {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            let Some(next) = location.and_then(|text| url.join(text).ok()) else {
                return Err(call.named().odd("a redirect without an address"));
            };
            let is_http = matches!(next.scheme(), "http" | "https");
            let is_worse = url.scheme() == "https" && next.scheme() == "http";
            if !is_http || (is_worse && !self.endpoint.is_insecure) {
                let shown = next.to_string().chars().take(200).collect();
                return Err(RegistryError::Downgrade(shown));
            }
            url = next;
        }
        Err(RegistryError::Redirects(REDIRECTS_MAX))
    }

    async fn one(
        &self,
        call: &Call,
        url: &Url,
        authorization: Option<&str>,
    ) -> Result<Response, RegistryError> {
        let is_home = same_origin(url, &self.endpoint.base);
        let http = self.registries.client_for(url, self)?;
        let mut request = http.request(call.method.clone(), url.clone());
        request = request.headers(call.headers.clone());
        if is_home {
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            for (name, value) in &self.endpoint.headers {
                request = request.header(name, value);
            }
        }
        if call.is_short {
            request = request.timeout(CALL_LIMIT);
        }
        if let Some(body) = &call.body {
            request = request.body(Body::from(body.clone()));
        }
        let named = Named {
            method: go_method(&call.method),
            url: url.to_string(),
        };
        request.send().await.map_err(|error| named.failed(error))
    }
}

fn with_query(url: &mut Url, request: &TokenRequest) {
    let mut query = url.query_pairs_mut();
    if let Grant::Basic { user, .. } = &request.grant {
        query.append_pair("account", user);
    }
    for scope in &request.scopes {
        query.append_pair("scope", scope);
    }
    if !request.service.is_empty() {
        query.append_pair("service", &request.service);
    }
}

fn is_redirect(response: &Response) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Scheme, host and port.
fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}
