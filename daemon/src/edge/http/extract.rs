//! What handlers take from a request: query parameters as Docker reads them, JSON bodies with a
//! limit, the negotiated version.

use std::collections::HashMap;
use std::str::FromStr;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts};
use gantry_engine_api::host_config::UpdateRequest;
use gantry_engine_api::json::{self, FromBody};
use gantry_engine_api::{ApiVersion, Filters};
use gantry_errors::ErrorKind;
use http::request::Parts;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use super::error::ApiError;
use crate::compat;

/// The most bytes a JSON body may have. The largest real ones (a create with thousands of labels)
/// stay far below.
pub const JSON_BODY_MAX_BYTES: usize = 4 << 20;

/// The query's parameters. A name may be given several times.
#[derive(Debug, Clone, Default)]
pub struct Params(HashMap<String, Vec<String>>);

impl Params {
    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(String::as_str)
    }

    /// The first value of a name, empty if it was not given.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// All values of a name.
    #[must_use]
    pub fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Docker's truth: anything but nothing, `0`, `no`, `false` and `none`.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// The same for a parameter whose default is not false.
    #[must_use]
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(text) => !matches!(
                text.trim().to_ascii_lowercase().as_str(),
                "" | "0" | "no" | "false" | "none"
            ),
        }
    }

    /// A number, if the name was given a value.
    ///
    /// # Errors
    /// 400, naming the parameter.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let number = text.parse().map(Some);
        number.map_err(|_| ApiError::invalid(format!("invalid value for {name}: \"{text}\"")))
    }

    /// The `filters` parameter.
    ///
    /// # Errors
    /// 400 if it is malformed.
    pub fn filters(&self) -> Result<Filters, ApiError> {
        Filters::parse(self.text("filters")).map_err(|e| ApiError::filter(&e))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut params = Self::default();
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            params
                .0
                .entry(name.into_owned())
                .or_default()
                .push(value.into_owned());
        }
        Ok(params)
    }
}

/// The API version of the request: of its path, or the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub ApiVersion);

impl<S: Send + Sync> FromRequestParts<S> for Version {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(parts
            .extensions
            .get()
            .copied()
            .unwrap_or(Self(ApiVersion::MAX)))
    }
}

/// A JSON body that must be there.
#[derive(Debug, Clone, Default)]
pub struct ApiJson<T>(pub T);

/// A JSON body that may be missing; then it is the type's default.
#[derive(Debug, Clone, Default)]
pub struct OptionalJson<T>(pub T);

/// A JSON body, parsed and not yet typed.
#[derive(Debug, Clone)]
pub struct RawJson(pub Value);

impl<S: Send + Sync> FromRequest<S> for RawJson {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        let body = json_body(request).await?;
        body.map(Self).ok_or_else(|| ApiError::invalid(EOF))
    }
}

impl<S: Send + Sync, T: FromBody> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, ApiError> {
        let RawJson(value) = RawJson::from_request(request, state).await?;
        T::from_body(&value)
            .map(Self)
            .map_err(|e| ApiError::json(&e))
    }
}

impl<S: Send + Sync, T: FromBody + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        match json_body(request).await? {
            Some(value) => T::from_body(&value)
                .map(Self)
                .map_err(|e| ApiError::json(&e)),
            None => Ok(Self(T::default())),
        }
    }
}

/// A create body that went through the table of fields: what has no effect is warned of,
/// what is refused is the rejection.
#[derive(Debug, Clone, Default)]
pub struct Checked<T> {
    /// The body.
    pub body: T,
    /// For the answer's `Warnings`.
    pub warnings: Vec<String>,
}

impl<S: Send + Sync, T: FromBody> FromRequest<S> for Checked<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, ApiError> {
        let RawJson(value) = RawJson::from_request(request, state).await?;
        let body = T::from_body(&value).map_err(|e| ApiError::json(&e))?;
        let warnings = compat::fields::apply(&value)?;
        Ok(Self { body, warnings })
    }
}

/// The body of an update, which went through the table; none is an update of nothing.
#[derive(Debug, Clone, Default)]
pub struct CheckedUpdate {
    /// The body.
    pub body: UpdateRequest,
    /// For the answer's `Warnings`.
    pub warnings: Vec<String>,
}

impl<S: Send + Sync> FromRequest<S> for CheckedUpdate {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        let Some(value) = json_body(request).await? else {
            return Ok(Self::default());
        };
        let body = UpdateRequest::from_body(&value).map_err(|e| ApiError::json(&e))?;
        let warnings = compat::fields::apply_update(&value);
        Ok(Self { body, warnings })
    }
}

const EOF: &str = "invalid JSON: got EOF while reading request body";

/// Reads and parses the body; none if it is empty.
async fn json_body(request: Request<Body>) -> Result<Option<Value>, ApiError> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, JSON_BODY_MAX_BYTES).collect().await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let limit = JSON_BODY_MAX_BYTES >> 20;
            return ApiError::invalid(format!("request body is larger than {limit} MiB"));
        }
        ApiError::new(ErrorKind::Cancelled, format!("read request body: {error}"))
    })?;
    let body = body.to_bytes();
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    require_json(&parts.headers)?;
    json::parse(&body).map(Some).map_err(|e| ApiError::json(&e))
}

/// A body must say that it is JSON, as dockerd wants it.
fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map(|v| String::from_utf8_lossy(v.as_bytes()));
    let kind = kind.unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "unsupported Content-Type header ({kind}): must be 'application/json'"
    )))
}
