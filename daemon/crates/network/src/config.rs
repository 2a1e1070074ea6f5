//! What the daemon's flags and `daemon.json` say about networks, validated once at start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use gantry_ids::EngineId;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Which bridge carries the network named `bridge` (dockerd's `-b`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BridgeChoice {
    /// A bridge of the engine's own, `gantry<engine id>`, on a free subnet.
    #[default]
    Own,
    /// `-b NAME`: a bridge that the administrator made, with its first IPv4 address.
    Existing(String),
    /// `-b none`: no default bridge network at all.
    Disabled,
}

/// One `--default-address-pool base=…,size=…`: networks take subnets of `size` bits out of `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPool {
    /// The range that subnets are cut from.
    pub base: IpNet,
    /// Prefix length of each subnet, at least `base`'s.
    pub size: u8,
}

/// Name resolution defaults (`--dns`, `--dns-search`, `--dns-opt`, `--host-gateway-ip`).
#[derive(Clone, Debug, Default)]
pub struct DnsConfig {
    /// Servers for containers that name none.
    pub servers: Vec<IpAddr>,
    /// Search domains for containers that name none.
    pub search: Vec<String>,
    /// Resolver options for containers that name none.
    pub options: Vec<String>,
    /// What `host-gateway` in `--add-host` stands for; the default bridge's gateway if `None`.
    pub host_gateway: Option<IpAddr>,
}

impl DnsConfig {
    /// Each list of this, or that of `defaults` where this has none.
    #[must_use]
    pub fn or(&self, defaults: &Self) -> Self {
        fn list<T: Clone>(own: &[T], default: &[T]) -> Vec<T> {
            if own.is_empty() {
                default.to_vec()
            } else {
                own.to_vec()
            }
        }
        Self {
            servers: list(&self.servers, &defaults.servers),
            search: list(&self.search, &defaults.search),
            options: list(&self.options, &defaults.options),
            host_gateway: self.host_gateway.or(defaults.host_gateway),
        }
    }
}

/// Everything [`crate::Networks::open`] needs to know.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Whose objects these are.
    pub engine: EngineId,
    /// Directory of namespace bind mounts, `<exec-root>/netns`.
    pub netns_dir: PathBuf,
    /// Directory of endpoint records, `<exec-root>/network`, on tmpfs.
    pub state_dir: PathBuf,
    /// Directory of tables of names, `<exec-root>/names`, on tmpfs.
    pub names_dir: PathBuf,
    /// Machine-wide lock file under which subnets and bridge names are chosen.
    pub lock_file: PathBuf,
    /// `-b/--bridge`.
    pub bridge: BridgeChoice,
    /// `--bip`: address and prefix of the default bridge.
    pub bip: Option<Ipv4Net>,
    /// `--fixed-cidr`: containers of the default bridge get addresses of this range only.
    pub fixed_cidr: Option<Ipv4Net>,
    /// `--default-gateway`: what containers of the default bridge get instead of its address.
    pub default_gateway: Option<Ipv4Addr>,
    /// `--ipv6`: has the default bridge IPv6?
    pub ipv6: bool,
    /// `--bip6`: IPv6 address and prefix of the default bridge.
    pub bip6: Option<Ipv6Net>,
    /// `--fixed-cidr-v6`: the default bridge's IPv6 subnet, or with `--bip6` a part of it.
    pub fixed_cidr_v6: Option<Ipv6Net>,
    /// `--default-gateway-v6`.
    pub default_gateway_v6: Option<Ipv6Addr>,
    /// `--default-address-pool`; Docker's own pools if empty.
    pub address_pools: Vec<AddressPool>,
    /// `--mtu`, in bytes.
    pub mtu: u32,
    /// `--icc`: may containers of the default bridge talk to each other?
    pub icc: bool,
    /// `--ip-forward`: switch `net.ipv4.ip_forward` on, and for networks with IPv6 its forwarding.
    pub ip_forward: bool,
    /// `--ip-masq`: hide containers behind the host's addresses.
    pub ip_masq: bool,
    /// `--iptables`: keep firewall and NAT rules (here: nftables). Off means no published ports.
    pub firewall: bool,
    /// `--host-firewall`: do published ports obey the host's own rules for what comes in?
    pub host_firewall: bool,
    /// `--ip`: host address for published ports that name none.
    pub default_binding: IpAddr,
    /// Name resolution defaults.
    pub dns: DnsConfig,
}

impl NetworkConfig {
    /// Dockerd's defaults for an engine whose runtime files live under `exec_root`.
    #[must_use]
    pub fn new(engine: EngineId, exec_root: &Path) -> Self {
        Self {
            engine,
            netns_dir: exec_root.join("netns"),
            state_dir: exec_root.join("network"),
            names_dir: exec_root.join("names"),
            lock_file: PathBuf::from("/run/lock/gantry-network.lock"),
            bridge: BridgeChoice::Own,
            bip: None,
            fixed_cidr: None,
            default_gateway: None,
            ipv6: false,
            bip6: None,
            fixed_cidr_v6: None,
            default_gateway_v6: None,
            address_pools: Vec::new(),
            mtu: 1500,
            icc: true,
            ip_forward: true,
            ip_masq: true,
            firewall: true,
            host_firewall: false,
            default_binding: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            dns: DnsConfig::default(),
        }
    }
}
