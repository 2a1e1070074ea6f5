//! The `/v1.xx` prefix: taken off before routing, checked against what is spoken.

use gantry_engine_api::ApiVersion;
use http::uri::PathAndQuery;
use http::{Request, Uri};

use super::error::ApiError;
use super::extract::Version;

/// Strips the version from the request's path and notes it among the extensions.
///
/// A first segment that is no version is left alone: the router does not know it.
///
/// # Errors
/// 400 in dockerd's words for a version that is too old or too new.
pub(super) fn negotiate<B>(request: &mut Request<B>) -> Result<(), ApiError> {
    let Some((version, rest)) = split(request.uri().path()) else {
        request.extensions_mut().insert(Version(ApiVersion::MAX));
        return Ok(());
    };
    if version < ApiVersion::MIN {
        return Err(ApiError::invalid(format!(
            "client version {version} is too old. Minimum supported API version is {}, please \
             upgrade your client to a newer version",
            ApiVersion::MIN
        )));
    }
    if version > ApiVersion::MAX {
        return Err(ApiError::invalid(format!(
            "client version {version} is too new. Maximum supported API version is {}",
            ApiVersion::MAX
        )));
    }
    let stripped = match request.uri().query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    let stripped: PathAndQuery = stripped.parse().expect("the tail of a path is a path");
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.path_and_query = Some(stripped);
    *request.uri_mut() = Uri::from_parts(parts).expect("only the path has changed");
    request.extensions_mut().insert(Version(version));
    Ok(())
}

/// `/v1.41/info` as `1.41` and `/info`.
fn split(path: &str) -> Option<(ApiVersion, &str)> {
    let rest = path.strip_prefix("/v")?;
    let end = rest.find('/')?;
    Some((rest[..end].parse().ok()?, &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(uri: &str) -> Result<(String, ApiVersion), String> {
        let mut request = Request::builder().uri(uri).body(()).unwrap();
        negotiate(&mut request).map_err(|e| e.message().to_owned())?;
        let Version(version) = *request.extensions().get().unwrap();
        Ok((request.uri().to_string(), version))
    }

    #[test]
    fn the_prefix_is_taken_off_and_remembered() {
        let (uri, version) = negotiated("/v1.30/containers/json?all=1").unwrap();
        assert_eq!(
            (uri.as_str(), version),
            ("/containers/json?all=1", ApiVersion::new(1, 30))
        );
        assert_eq!(
            negotiated("/info").unwrap(),
            ("/info".to_owned(), ApiVersion::MAX)
        );
        assert_eq!(negotiated("/version").unwrap().0, "/version");
        assert_eq!(negotiated("/vx/info").unwrap().0, "/vx/info");
        let (absolute, _) = negotiated("http://host/v1.51/_ping").unwrap();
        assert_eq!(absolute, "http://host/_ping");
    }

    #[test]
    fn versions_out_of_range_are_refused_in_dockerds_words() {
        assert_eq!(
            negotiated("/v1.52/info").unwrap_err(),
            "client version 1.52 is too new. Maximum supported API version is 1.51"
        );
        assert!(
            negotiated("/v1.23/info")
                .unwrap_err()
                .starts_with("client version 1.23 is too old")
        );
    }
}
