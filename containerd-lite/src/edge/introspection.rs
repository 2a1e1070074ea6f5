//! `containerd.services.introspection.v1`: what this server is and has.

use std::borrow::Cow;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use gantry_proto::containerd::services::introspection::v1::{
    Plugin, PluginInfoRequest, PluginInfoResponse, PluginsRequest, PluginsResponse, ServerResponse,
    introspection_server,
};
use gantry_proto::containerd::types::Platform;
use tonic::{Request, Response, Status};

use super::status;
use crate::filter::{Fields, Filter};

/// The services, as containerd's clients look for them, and our own.
const PLUGINS: [(&str, &str); 9] = [
    ("io.containerd.grpc.v1", "version"),
    ("io.containerd.grpc.v1", "healthcheck"),
    ("io.containerd.grpc.v1", "namespaces"),
    ("io.containerd.grpc.v1", "containers"),
    ("io.containerd.grpc.v1", "tasks"),
    ("io.containerd.grpc.v1", "events"),
    ("io.containerd.grpc.v1", "leases"),
    ("io.containerd.grpc.v1", "introspection"),
    ("gantry.supervisor.v1", "supervisor"),
];

/// Who this server is, across restarts.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    uuid: String,
    pid_namespace: u64,
}

impl Identity {
    /// Reads the server's name from `root`, or gives it one.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(crate) fn load(root: &Path) -> io::Result<Self> {
        let path = root.join("uuid");
        let uuid = match std::fs::read_to_string(&path) {
            Ok(uuid) => uuid,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
                std::fs::write(&path, &uuid)?;
                uuid
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            uuid: uuid.trim().to_owned(),
            pid_namespace: std::fs::metadata("/proc/self/ns/pid")?.ino(),
        })
    }
}

pub(super) struct Service(pub(super) Identity);

struct Listed(&'static str, &'static str);

impl Fields for Listed {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["type"] => Some(self.0.into()),
            ["id"] => Some(self.1.into()),
            _ => None,
        }
    }
}

fn plugin(kind: &str, id: &str) -> Plugin {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Plugin {
        r#type: kind.to_owned(),
        id: id.to_owned(),
        platforms: vec![Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            ..Platform::default()
        }],
        ..Plugin::default()
    }
}

#[tonic::async_trait]
impl introspection_server::Introspection for Service {
    async fn plugins(
        &self,
        request: Request<PluginsRequest>,
    ) -> Result<Response<PluginsResponse>, Status> {
        let filter = Filter::parse(&request.into_inner().filters).map_err(status)?;
        let plugins = PLUGINS
            .iter()
            .filter(|(kind, id)| filter.matches(&Listed(kind, id)))
            .map(|(kind, id)| plugin(kind, id))
            .collect();
        Ok(Response::new(PluginsResponse { plugins }))
    }

    async fn server(&self, _: Request<()>) -> Result<Response<ServerResponse>, Status> {
        Ok(Response::new(ServerResponse {
            uuid: self.0.uuid.clone(),
            pid: std::process::id().into(),
            pidns: self.0.pid_namespace,
            deprecations: Vec::new(),
        }))
    }

    async fn plugin_info(
        &self,
        request: Request<PluginInfoRequest>,
    ) -> Result<Response<PluginInfoResponse>, Status> {
        let PluginInfoRequest { r#type, id, .. } = request.into_inner();
        let known = PLUGINS
            .iter()
            .find(|(kind, name)| *kind == r#type && *name == id);
        let (kind, id) =
            known.ok_or_else(|| Status::not_found(format!("plugin {type}.{id}: not found")))?;
        Ok(Response::new(PluginInfoResponse {
            plugin: Some(plugin(kind, id)),
            extra: None,
        }))
    }
}
