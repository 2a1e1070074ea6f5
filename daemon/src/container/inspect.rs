//! `inspect`: a record and what the networks know of it, in the API's shape.

use std::{net::Ipv4Addr, path::Path, sync::Arc};

use gantry_engine_api::{
    List, Map,
    container::{ContainerInspect, ContainerState, GraphDriver, NEVER},
    network::{EndpointSettings, Endpoints, NetworkSettings},
    port::{PortBinding, PortMap},
};
use gantry_network::Endpoint;
use jiff::Timestamp;

use super::{
    endpoints,
    error::ContainerError,
    files::Files,
    model::Record,
    registry::{Containers, Handle, Parts},
    spec::namespaces::{Mode, mode},
    state::Life,
};

impl Containers {
    /// The whole container; with `size`, also what it occupies (walks its directories).
    ///
    /// # Errors
    /// There is no such container.
    pub async fn inspect(
        &self,
        reference: &str,
        size: bool,
    ) -> Result<ContainerInspect, ContainerError> {
        let handle = self.find(reference)?;
        let mut inspect = describe(&self.parts, &handle);
        if size {
            let (rw, total) = self.sizes(handle.record()).await?;
            inspect.size_rw = Some(rw);
            inspect.size_root_fs = Some(total);
        }
        Ok(inspect)
    }

    /// Bytes in the writable layer, and with the image's.
    ///
    /// # Errors
    /// The directories cannot be walked.
    pub async fn sizes(&self, record: Arc<Record>) -> Result<(i64, i64), ContainerError> {
        let parts = self.parts.clone();
        super::create::blocking(move || {
            let rw = parts.images.upper_bytes(&parts.rw(&record.id))?;
            let image = parts
                .images
                .get(&record.image)
                .map_or(0, |image| image.size_bytes);
            let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
            Ok((signed(rw), signed(rw.saturating_add(image))))
        })
        .await
    }
}

fn describe(parts: &Parts, handle: &Handle) -> ContainerInspect {
    let record = handle.record();
    let dir = parts.dir(&record.id);
    let files = file_paths(&record, &dir);
    let execs = handle.execs.live();
    ContainerInspect {
        id: record.id.to_string(),
        created: record.created.to_string(),
        path: record.path.clone(),
        args: record.args.clone().into(),
        state: state(&record),
        image: record.image.to_string(),
        resolv_conf_path: text(files.as_ref().map(|f| f.resolv_conf.as_path())),
        hostname_path: text(files.as_ref().map(|f| f.hostname.as_path())),
        hosts_path: text(files.as_ref().map(|f| f.hosts.as_path())),
        log_path: record.log_path.clone().unwrap_or_default(),
        name: record.name.with_slash(),
        restart_count: i64::from(record.restarts),
        driver: "overlay2".to_owned(),
        platform: "linux".to_owned(),
        exec_ids: if execs.is_empty() {
            List::default()
        } else {
            execs.into()
        },
        host_config: record.host.clone(),
        graph_driver: graph_driver(parts, &record),
        mounts: record
            .mounts
            .iter()
            .map(super::mounts::MountRecord::to_api)
            .collect(),
        config: record.config.clone(),
        network_settings: network_settings(parts, &record),
        ..ContainerInspect::default()
    }
}

fn text(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string())
        .unwrap_or_default()
}

/// Files exist from the first start on.
fn file_paths(record: &Record, dir: &Path) -> Option<Files> {
    let own = !matches!(mode(&record.host.network_mode), Mode::Container(_));
    (own && record.last.started.is_some()).then(|| Files::beneath(dir))
}

fn state(record: &Record) -> ContainerState {
    let life = &record.life;
    let exit = life.exit().unwrap_or(&record.last.exit);
    let stamp = |at: Option<Timestamp>| at.map_or_else(|| NEVER.to_owned(), |at| at.to_string());
    ContainerState {
        status: life.word().to_owned(),
        running: life.counts_as_running(),
        paused: matches!(life, Life::Paused { .. }),
        restarting: matches!(life, Life::Restarting { .. }),
        oom_killed: !life.has_process() && exit.oom,
        dead: matches!(life, Life::Dead),
        pid: life.pid().unwrap_or(0),
        exit_code: if life.has_process() {
            0
        } else {
            i64::from(exit.code)
        },
        error: exit.error.clone(),
        started_at: stamp(record.last.started),
        finished_at: stamp(exit.finished),
        health: None,
    }
}

fn graph_driver(parts: &Parts, record: &Record) -> GraphDriver {
    let rw = parts.rw(&record.id);
    let lower = parts.images.get(&record.image).map(|image| {
        let dirs = image.layer_dirs.iter().map(|dir| dir.display().to_string());
        dirs.collect::<Vec<_>>().join(":")
    });
    let mut data = Map::default();
    data.insert("LowerDir".to_owned(), lower.unwrap_or_default());
    data.insert(
        "UpperDir".to_owned(),
        rw.join("upper").display().to_string(),
    );
    data.insert("WorkDir".to_owned(), rw.join("work").display().to_string());
    GraphDriver {
        data,
        name: "overlay2".to_owned(),
    }
}

/// What inspect tells of networks.
fn network_settings(parts: &Parts, record: &Record) -> NetworkSettings {
    let sandbox = record
        .life
        .has_process()
        .then(|| parts.networks.sandbox(&record.id))
        .flatten();
    let networks = networks(parts, record);
    let mut settings = NetworkSettings {
        ports: ports(parts, record),
        ..NetworkSettings::default()
    };
    if let Some(sandbox) = sandbox {
        settings.sandbox_id = sandbox.container.to_string();
        settings.sandbox_key = sandbox.path.display().to_string();
    }
    if let Some(bridge) = networks.get("bridge") {
        settings.endpoint_id.clone_from(&bridge.endpoint_id);
        settings.gateway.clone_from(&bridge.gateway);
        settings.ip_address.clone_from(&bridge.ip_address);
        settings.ip_prefix_len = bridge.ip_prefix_len;
        settings.mac_address.clone_from(&bridge.mac_address);
        settings.ipv6_gateway.clone_from(&bridge.ipv6_gateway);
        settings
            .global_ipv6_address
            .clone_from(&bridge.global_ipv6_address);
        settings.global_ipv6_prefix_len = bridge.global_ipv6_prefix_len;
    }
    settings.networks = networks;
    settings
}

/// The container's networks: what was asked for, with what there is now.
pub(super) fn networks(parts: &Parts, record: &Record) -> Endpoints {
    if let Mode::Container(_) = mode(&record.host.network_mode) {
        return Map::default();
    }
    let mut without = Vec::new();
    let mut all: Endpoints = with_endpoints(parts, record, |endpoints| {
        let all = record.endpoints.iter().map(|(name, settings)| {
            let endpoint = endpoints.iter().find(|e| e.network_name == *name);
            if endpoint.is_none() {
                without.push(name);
            }
            let settings = described(record, (name, settings), endpoint.copied());
            (name.clone(), Box::new(settings))
        });
        all.collect()
    });
    if all.is_empty() {
        return Map::empty();
    }
    if record.last.started.is_some() {
        for name in without {
            if let (Some(settings), Ok(id)) = (all.get_mut(name), parts.networks.id(name)) {
                settings.network_id = id.to_string();
            }
        }
    }
    all
}

/// Reads the endpoints that a running container has. The networks' books are held meanwhile.
fn with_endpoints<T>(parts: &Parts, record: &Record, read: impl FnOnce(&[&Endpoint]) -> T) -> T {
    if record.life.has_process() {
        parts.networks.with_endpoints(&record.id, read)
    } else {
        read(&[])
    }
}

fn described(
    record: &Record,
    (name, settings): (&str, &EndpointSettings),
    endpoint: Option<&Endpoint>,
) -> EndpointSettings {
    let mut settings = settings.clone();
    let address = |ip: Option<Ipv4Addr>| ip.map(|ip| ip.to_string()).unwrap_or_default();
    if let Some(endpoint) = endpoint {
        settings.network_id = endpoint.network.to_string();
        settings.endpoint_id = endpoint.id.to_string();
        settings.gateway = address(endpoint.gateway);
        settings.ip_address = address(endpoint.ip);
        settings.ip_prefix_len = endpoint.prefix;
        settings.ipv6_gateway = endpoint
            .gateway6
            .map(|ip| ip.to_string())
            .unwrap_or_default();
        settings.global_ipv6_address = endpoint.ip6.map(|ip| ip.to_string()).unwrap_or_default();
        settings.global_ipv6_prefix_len = endpoint.prefix6;
        settings.mac_address = endpoint.mac.map(|mac| mac.to_string()).unwrap_or_default();
    }
    if record.last.started.is_some() && !gantry_network::is_builtin(name) {
        settings.dns_names = endpoints::names(record, &settings).into();
    }
    settings
}

/// Published ports with their host side; exposed ones without.
pub(super) fn ports(parts: &Parts, record: &Record) -> PortMap {
    let mut map = PortMap::default();
    if !record.life.has_process() {
        return Map::empty();
    }
    for (port, _) in record.config.exposed_ports.iter() {
        map.insert(port.clone(), List::default());
    }
    // Copied: the networks are asked again for each port.
    let publishing: Vec<Endpoint> = with_endpoints(parts, record, |endpoints| {
        let publishing = endpoints.iter().filter(|e| !e.ports.is_empty());
        publishing.map(|e| Endpoint::clone(e)).collect()
    });
    let published = publishing.iter();
    let published = published.flat_map(|e| e.ports.iter().map(move |port| (e, port)));
    for (endpoint, port) in published {
        let key = format!("{}/{}", port.container_port, port.protocol);
        map.entry(key).or_default().push(PortBinding {
            host_ip: port.host_ip.to_string(),
            // Of a port that is open at the container's own address there is none.
            host_port: match port.host_port {
                0 => String::new(),
                port => port.to_string(),
            },
            reach: parts.networks.reach(endpoint, port).as_str().to_owned(),
        });
    }
    if map.is_empty() { Map::empty() } else { map }
}
