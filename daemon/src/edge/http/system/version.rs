//! `GET /version`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use gantry_engine_api::ApiVersion;
use gantry_engine_api::system::{Component, PlatformName, SystemVersion};
use http::StatusCode;

use crate::edge::http::json;
use crate::engine::Engine;

/// The version of the whole stack: its programs are built and released together.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit the daemon was built from, where the build knew it.
const COMMIT: &str = match option_env!("GANTRY_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// When the daemon was built (`SOURCE_DATE_EPOCH` where the build sets it), by RFC 3339.
const BUILD_TIME: &str = include!(concat!(env!("OUT_DIR"), "/build_time.rs"));

pub(super) async fn show(State(engine): State<Arc<Engine>>) -> Response {
    json(StatusCode::OK, &describe(&engine))
}

fn describe(engine: &Engine) -> SystemVersion {
    let version = SystemVersion {
        platform: PlatformName {
            name: format!("Gantry {VERSION}"),
        },
        version: VERSION.to_owned(),
        api_version: ApiVersion::MAX.to_string(),
        min_api_version: ApiVersion::MIN.to_string(),
        git_commit: COMMIT.to_owned(),
        go_version: "none (Rust)".to_owned(),
        os: "linux".to_owned(),
        arch: engine.host.go_arch().to_owned(),
        kernel_version: engine.host.kernel.clone(),
        build_time: BUILD_TIME.to_owned(),
        ..SystemVersion::default()
    };
    let engine = [
        ("ApiVersion", version.api_version.as_str()),
        ("Arch", &version.arch),
        ("BuildTime", BUILD_TIME),
        ("Experimental", "false"),
        ("GitCommit", COMMIT),
        ("GoVersion", &version.go_version),
        ("KernelVersion", &version.kernel_version),
        ("MinAPIVersion", &version.min_api_version),
        ("Os", "linux"),
    ];
    let mut components = vec![component("Engine", &engine)];
    components.extend(
        ["containerd-lite", "runc-lite", "gantry-init"]
            .map(|name| component(name, &[("GitCommit", COMMIT)])),
    );
    SystemVersion {
        components: components.into(),
        ..version
    }
}

fn component(name: &str, details: &[(&str, &str)]) -> Component {
    let details = details
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Component {
        name: name.to_owned(),
        version: VERSION.to_owned(),
        details: details.collect(),
    }
}
