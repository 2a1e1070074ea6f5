//! What buildx is told about the engine: who builds, and what can be asked for.

use std::net::IpAddr;

use gantry_dockerfile::Platform;

use crate::wire::control::types::{BuildkitVersion, WorkerRecord};
use crate::wire::moby::buildkit::v1::apicaps::ApiCap;
use crate::wire::pb;

/// What a client that drives a build may use.
const FRONTEND: &[&str] = &[
    "solve.base",
    "solve.inlinereturn",
    "gateway.solve.metadata",
    "gateway.warnings",
    "proto.refarray",
    "reference.output",
    "return",
    "returnmap",
];

/// What a client may have in what it builds. Attestations are left out, so that clients which would
/// ask for them by default do not.
const OPERATIONS: &[&str] = &[
    "constraints",
    "exporter.multiple",
    "exporter.session",
    "exporter.sourcedateepoch",
    "meta.description",
    "meta.ignorecache",
    "platform",
    "source.image",
    "source.image.resolvemode",
    "source.local",
    "source.local.excludepatterns",
    "source.local.followpaths",
    "source.local.includepatterns",
    "source.local.sessionid",
    "source.local.sharedkeyhint",
    "source.local.unique",
];

pub(super) fn frontend() -> Vec<ApiCap> {
    all(FRONTEND)
}

pub(super) fn operations() -> Vec<ApiCap> {
    all(OPERATIONS)
}

fn all(names: &[&str]) -> Vec<ApiCap> {
    let capability = |name: &&str| ApiCap {
        id: (*name).to_owned(),
        enabled: true,
        ..ApiCap::default()
    };
    names.iter().map(capability).collect()
}

/// The label that buildx takes the address from that `host-gateway` of `--add-host` stands for.
const HOST_GATEWAY: &str = "org.mobyproject.buildkit.worker.moby.host-gateway-ip";

/// The one worker there is, and the address that its programs reach the host by.
pub(super) fn worker(platform: &Platform, gateway: Option<IpAddr>) -> WorkerRecord {
    let gateway = gateway.map(|address| (HOST_GATEWAY.to_owned(), address.to_string()));
    WorkerRecord {
        id: "gantry".to_owned(),
        labels: gateway.into_iter().collect(),
        platforms: vec![pb::Platform {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
        }],
        gc_policy: Vec::new(),
        buildkit_version: Some(version()),
    }
}

/// What the engine calls its builder.
pub(super) fn version() -> BuildkitVersion {
    BuildkitVersion {
        package: "gantry".to_owned(),
        version: concat!("v", env!("CARGO_PKG_VERSION"), "-gantry").to_owned(),
        revision: String::new(),
    }
}
