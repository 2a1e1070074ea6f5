//! Container networks: the bridge, sandboxes, addresses, published ports and name files.
//!
//! Owns everything between a container's network namespace and the host: namespaces under
//! `<exec-root>/netns`, the engine's bridge, veth pairs, address leases, one nftables table, and the
//! text of `/etc/hosts` and `/etc/resolv.conf`. The kernel carries every packet: nothing here has to
//! live for a container to be reachable (DESIGN: packet path in `docs/protocols/packet-path.md`).
//!
//! Deliberately not here: HTTP types, container records, and the decision which network a container
//! joins. All calls are synchronous; an async caller wraps them in `spawn_blocking`.
//!
//! ```text
//! create_sandbox ─► connect ─► (container runs) ─► release ─► teardown thread
//!  netns + lo up     lease, veth, nft (1 batch)     frees now    kernel objects later
//! ```
//!
//! Records: network definitions are durable ([`NetworkStore`]); endpoints are files on tmpfs beside
//! the namespaces, written before the kernel is changed and removed after it is cleaned, so that a
//! daemon killed at any point finds what to repair ([`Networks::recover`]).

mod address_book;
mod bridge;
mod config;
mod definition;
mod endpoint;
mod error;
mod firewall;
mod hosts;
mod info;
mod names;
mod namespace;
mod networks;
mod port;
mod port_book;
mod reach;
mod records;
mod relay;
mod reservation;
mod resolv;
mod store;
mod subnet;
mod teardown;

pub use config::{AddressPool, BridgeChoice, DnsConfig, NetworkConfig};
pub use definition::{DefinitionError, Findings, NetworkRequest, PoolError, SubnetRequest};
pub use endpoint::{Endpoint, EndpointRequest, InvalidMac, MacAddr, Sandbox};
pub use error::{BindFailure, NetworkError, Publisher};
pub use hosts::{HostEntry, hosts_file};
pub use info::{EndpointInfo, IpamInfo, NetworkInfo, is_builtin};
pub use networks::{NameSockets, Networks, PortChange, Recovery};
pub use port::{HostPort, PortRequest, PortSyntaxError, Protocol, PublishedPort};
pub use reach::Audience;
pub use resolv::{Reach, ResolvConf, resolv_conf};
pub use store::{MemoryStore, NetworkRecord, NetworkStore, RedbStore, StoreError};
