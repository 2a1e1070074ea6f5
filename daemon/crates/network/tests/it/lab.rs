//! The laboratory: namespaces, an engine in one of them and containers of its.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use gantry_ids::{ContainerId, EngineId};
use gantry_linux::namespace::{Namespaces, unshare};
use gantry_network::{
    Endpoint, EndpointRequest, HostPort, MemoryStore, NetworkConfig, NetworkError, NetworkStore,
    Networks, PortRequest, Protocol,
};
use rustix::thread::{LinkNameSpaceType, gettid, move_into_link_name_space};
use tempfile::TempDir;

pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
pub(crate) const LAN: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
pub(crate) const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, 1);
pub(crate) const LAN6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, 2);
/// A network namespace that threads can visit.
#[derive(Debug)]
pub(crate) struct Namespace(OwnedFd);

impl Namespace {
    pub(crate) fn here() -> Self {
        Self(File::open("/proc/thread-self/ns/net").unwrap().into())
    }

    pub(crate) fn at(path: &Path) -> Self {
        Self(File::open(path).unwrap().into())
    }

    fn new() -> Self {
        thread::spawn(|| {
            unshare(Namespaces::NETWORK).expect("these tests run as root");
            Self::here()
        })
        .join()
        .unwrap()
    }

    /// Runs something inside.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let visit = || {
                self.enter();
                work()
            };
            scope
                .spawn(visit)
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn enter(&self) {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }
}

/// Runs a program in the calling thread's namespace.
pub(crate) fn command(line: &str) -> String {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap();
    let output = Command::new(program)
        .args(words)
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} is needed (`cargo xtask test` installs it): {error}")
        });
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A host with a LAN; the test runs inside the host.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) folder: TempDir,
    pub(crate) lan: Namespace,
}

impl Drop for Lab {
    /// What engines keep for containers, whom nobody ends here, is mounted in the machine's own tree.
    fn drop(&mut self) {
        let folder = self.folder.path().to_str().unwrap();
        let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let places = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|place| place.starts_with(folder));
        for place in places {
            // A teardown that goes on may be quicker.
            let _ = rustix::mount::unmount(place, rustix::mount::UnmountFlags::DETACH);
        }
    }
}

/// Runs a test on a thread that is a host of its own, beside a LAN with one other machine.
pub(crate) fn in_lab(test: impl FnOnce(&Lab) + Send) {
    let host = Namespace::new();
    host.run(|| {
        let lab = Lab {
            folder: tempfile::tempdir().unwrap(),
            lan: Namespace::new(),
        };
        let tid = gettid().as_raw_nonzero().get();
        command("ip link set lo up");
        lab.lan.run(|| {
            command("ip link set lo up");
            command(&format!(
                "ip link add eth0 type veth peer name lan0 netns {tid}"
            ));
            command(&format!("ip address add {LAN}/24 dev eth0"));
            command(&format!("ip address add {LAN6}/64 dev eth0 nodad"));
            command("ip link set eth0 up");
            command(&format!("ip route add default via {HOST6}"));
            command(&format!("ip route add default via {HOST}"));
        });
        command(&format!("ip address add {HOST}/24 dev lan0"));
        command(&format!("ip address add {HOST6}/64 dev lan0 nodad"));
        command("ip link set lan0 up");
        lab.lan.run(|| wait_for_carrier("eth0"));
        wait_for_carrier("lan0");
        test(&lab);
    });
}

/// Until then IPv6 does not use a link.
fn wait_for_carrier(device: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !command(&format!("ip -o link show dev {device}")).contains("state UP") {
        assert!(Instant::now() < deadline, "{device} has no carrier");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An engine's networks and where it keeps them.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) config: NetworkConfig,
    pub(crate) store: Arc<dyn NetworkStore>,
    pub(crate) networks: Networks,
}

impl Lab {
    pub(crate) fn config(&self, name: &str) -> NetworkConfig {
        config_at(self.folder.path(), name)
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::start(self.config("engine"), Arc::new(MemoryStore::default()))
    }
}

/// An engine that keeps everything within a laboratory's folder.
pub(crate) fn config_at(folder: &Path, name: &str) -> NetworkConfig {
    let root = folder.join(name);
    let mut config = NetworkConfig::new(EngineId::of_data_root(&root), &root);
    config.lock_file = folder.join("lock");
    config
}

impl Engine {
    pub(crate) fn start(config: NetworkConfig, store: Arc<dyn NetworkStore>) -> Self {
        let networks = Networks::open(config.clone(), Arc::clone(&store)).unwrap();
        Self {
            config,
            store,
            networks,
        }
    }

    /// The daemon is killed and comes back: nothing is released.
    pub(crate) fn restarted(self) -> Self {
        let Self {
            config,
            store,
            networks,
        } = self;
        drop(networks);
        Self::start(config, store)
    }

    pub(crate) fn connect(
        &self,
        name: &str,
        ports: Vec<PortRequest>,
    ) -> Result<Endpoint, NetworkError> {
        let id = ContainerId::generate();
        self.networks.create_sandbox(&id)?;
        let request = EndpointRequest {
            ports,
            ..EndpointRequest::new(id.clone(), name, "bridge")
        };
        self.networks
            .connect(&request)
            .inspect_err(|_| self.networks.release(&id).unwrap())
    }

    /// A container on the default bridge, with a TCP server on each of the ports it publishes.
    pub(crate) fn container(&self, name: &str, ports: Vec<PortRequest>) -> Container {
        let endpoint = self.connect(name, ports).unwrap();
        let sandbox = self.networks.sandbox(&endpoint.container).unwrap();
        Container {
            namespace: Namespace::at(&sandbox.path),
            endpoint,
        }
    }

    pub(crate) fn table(&self) -> String {
        command(&format!("nft list table ip gantry_{}", self.config.engine))
    }

    pub(crate) fn veths(&self) -> usize {
        command("ip -o link")
            .matches(&format!("v{}", self.config.engine))
            .count()
    }

    /// Nothing of containers is left, in the kernel or on disk.
    pub(crate) fn assert_clean(&self) {
        self.networks.drain();
        assert_eq!(self.veths(), 0);
        assert!(!self.table().contains("172.17.0.2"), "{}", self.table());
        for folder in [&self.config.netns_dir, &self.config.state_dir] {
            assert_eq!(
                std::fs::read_dir(folder).unwrap().count(),
                0,
                "{}",
                folder.display()
            );
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.config.netns_dir.to_str().unwrap()));
    }
}

#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) namespace: Namespace,
    pub(crate) endpoint: Endpoint,
}

impl Container {
    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.endpoint.ip.unwrap()
    }

    pub(crate) fn id(&self) -> &ContainerId {
        &self.endpoint.container
    }

    pub(crate) fn live(&self) -> BTreeSet<ContainerId> {
        BTreeSet::from([self.id().clone()])
    }
}

pub(crate) fn tcp(host_port: u16, container_port: u16) -> PortRequest {
    PortRequest {
        container_port,
        protocol: Protocol::Tcp,
        host_ip: None,
        host_port: HostPort::Exact(host_port),
    }
}

pub(crate) fn at(host_ip: impl Into<IpAddr>, port: &PortRequest) -> PortRequest {
    PortRequest {
        host_ip: Some(host_ip.into()),
        ..port.clone()
    }
}

pub(crate) fn udp(port: &PortRequest) -> PortRequest {
    PortRequest {
        protocol: Protocol::Udp,
        ..port.clone()
    }
}
