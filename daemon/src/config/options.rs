//! The table of dockerd's options: every flag and every `daemon.json` key, and what becomes of it.
//!
//! The command line, the configuration file, their conflicts and `docs/compatibility.md` are all
//! read from this table, so that nothing that dockerd knows is silently dropped.

use crate::compat::Support;

/// How an option's value is written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `--flag`, `--flag=false`; `true` in the file.
    Bool,
    /// One word.
    Text,
    /// A number.
    Int,
    /// A number of bytes, as `64m` or as a number.
    Bytes,
    /// May be given several times; a list in the file.
    List,
    /// `name=value`, may be given several times; an object in the file.
    Map,
    /// An object in the file that has a shape of its own; no flag writes all of it.
    Object,
}

/// One option of dockerd.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// The flag without its dashes; empty if there is only a key.
    pub flag: &'static str,
    /// The flag's one letter.
    pub short: Option<char>,
    /// The key in `daemon.json`; empty if there is only a flag.
    pub key: &'static str,
    /// How it is written.
    pub kind: Kind,
    /// Whether it takes effect.
    pub support: Support,
    /// What it is for, as `--help` says it.
    pub help: &'static str,
}

const H: Support = Support::Honoured;

/// The option's effect is another program's or another issue's: refused by name when set.
const fn later(why: &'static str) -> Support {
    Support::Refused(why)
}

/// The option changes nothing, and that is safe: accepted, and said.
const fn moot(why: &'static str) -> Support {
    Support::Warned(why)
}

const fn opt(
    flag: &'static str,
    key: &'static str,
    kind: Kind,
    support: Support,
    help: &'static str,
) -> Opt {
    Opt {
        flag,
        short: None,
        key,
        kind,
        support,
        help,
    }
}

const fn short(letter: char, opt: Opt) -> Opt {
    Opt {
        short: Some(letter),
        ..opt
    }
}

use Kind::{Bool, Bytes, Int, List, Map, Object, Text};

/// Every option, in the order of `dockerd --help`, then the keys without a flag.
#[rustfmt::skip]
pub const OPTIONS: &[Opt] = &[
    opt("add-runtime", "runtimes", Map, H, "Register an OCI runtime, as NAME=PATH"),
    opt("allow-direct-routing", "allow-direct-routing", Bool, moot("containers' addresses can always be routed to"), "Allow remote access to published ports on container IP addresses"),
    opt("authorization-plugin", "authorization-plugins", List, later("authorization plugins are not built yet"), "Authorization plugins to load"),
    opt("bip", "bip", Text, H, "IPv4 address and prefix of the default bridge"),
    opt("bip6", "bip6", Text, H, "IPv6 address of the default bridge"),
    short('b', opt("bridge", "bridge", Text, H, "Attach containers to this existing bridge; \"none\" for no bridge network")),
    opt("cdi-spec-dir", "cdi-spec-dirs", List, moot("CDI devices are refused at create"), "CDI specification directories"),
    opt("cgroup-parent", "cgroup-parent", Text, H, "Parent cgroup of all containers"),
    opt("config-file", "", Text, H, "Configuration file (default /etc/gantry/daemon.json)"),
    opt("containerd", "containerd", Text, H, "Socket of a containerd-lite that already runs"),
    opt("containerd-namespace", "containerd-namespace", Text, H, "containerd namespace of containers"),
    opt("containerd-plugins-namespace", "containerd-plugin-namespace", Text, moot("plugins are not built yet"), "containerd namespace of plugins"),
    opt("cpu-rt-period", "cpu-rt-period", Int, later("the real-time scheduler's budget of the engine's cgroup is not built yet"), "Limit the CPU real-time period in microseconds"),
    opt("cpu-rt-runtime", "cpu-rt-runtime", Int, later("the real-time scheduler's budget of the engine's cgroup is not built yet"), "Limit the CPU real-time runtime in microseconds"),
    opt("cri-containerd", "cri-containerd", Bool, later("there is no CRI plugin"), "Start containerd with cri"),
    opt("data-root", "data-root", Text, H, "Directory of durable data (default /var/lib/gantry)"),
    short('D', opt("debug", "debug", Bool, H, "Log at level debug")),
    opt("default-address-pool", "default-address-pools", Object, H, "Where subnets of networks come from, as base=CIDR,size=BITS"),
    opt("default-cgroupns-mode", "default-cgroupns-mode", Text, H, "cgroup namespace of containers: \"host\" or \"private\""),
    opt("default-gateway", "default-gateway", Text, H, "IPv4 gateway of containers on the default bridge"),
    opt("default-gateway-v6", "default-gateway-v6", Text, H, "IPv6 gateway of containers on the default bridge"),
    opt("default-ipc-mode", "default-ipc-mode", Text, H, "IPC namespace of containers: \"shareable\" or \"private\""),
    opt("default-network-opt", "default-network-opts", Object, H, "Default options of network drivers, as DRIVER=OPTION=VALUE"),
    opt("default-runtime", "default-runtime", Text, H, "OCI runtime of containers that name none (default runc)"),
    opt("default-shm-size", "default-shm-size", Bytes, H, "Size of /dev/shm (default 64MiB)"),
    opt("default-ulimit", "default-ulimits", Object, H, "Ulimits of containers, as NAME=SOFT[:HARD]"),
    opt("dns", "dns", List, H, "DNS servers of containers"),
    opt("dns-opt", "dns-opts", List, H, "DNS options of containers"),
    opt("dns-search", "dns-search", List, H, "DNS search domains of containers"),
    opt("exec-opt", "exec-opts", List, H, "Options of the runtime: native.cgroupdriver=cgroupfs or systemd"),
    opt("exec-root", "exec-root", Text, H, "Directory of run-time state (default /run/gantry)"),
    opt("experimental", "experimental", Bool, moot("nothing is experimental"), "Enable experimental features"),
    opt("feature", "features", Map, moot("no feature can be switched"), "Switch a feature on or off"),
    opt("fixed-cidr", "fixed-cidr", Text, H, "IPv4 range of addresses on the default bridge"),
    opt("fixed-cidr-v6", "fixed-cidr-v6", Text, H, "IPv6 range of addresses on the default bridge"),
    short('G', opt("group", "group", Text, H, "Group of the unix socket (default docker)")),
    short('H', opt("host", "hosts", List, H, "Where to listen: unix://PATH, tcp://HOST:PORT, fd://")),
    opt("host-firewall", "host-firewall", Bool, H, "Let published ports obey the host's own input rules (Gantry's own)"),
    opt("host-gateway-ip", "host-gateway-ips", List, H, "What \"host-gateway\" in --add-host stands for"),
    opt("http-proxy", "http-proxy", Text, H, "HTTP proxy for registries"),
    opt("https-proxy", "https-proxy", Text, H, "HTTPS proxy for registries"),
    opt("icc", "icc", Bool, H, "Let containers on the default bridge talk to each other"),
    opt("init", "init", Bool, H, "Run an init in every container"),
    opt("init-path", "init-path", Text, H, "Path of the init, in place of the embedded one"),
    opt("insecure-registry", "insecure-registries", List, H, "Registries without TLS"),
    opt("ip", "ip", Text, H, "Host address of published ports that name none"),
    opt("ip-forward", "ip-forward", Bool, H, "Switch forwarding on, of IPv6 for networks that have it"),
    opt("ip-forward-no-drop", "ip-forward-no-drop", Bool, moot("the forward policy is never changed"), "Do not set the forward policy to drop"),
    opt("ip-masq", "ip-masq", Bool, H, "Hide containers behind the host's addresses"),
    opt("ip6tables", "ip6tables", Bool, moot("rules for IPv6 are written where --iptables is on and a network has IPv6"), "Write rules for IPv6"),
    opt("iptables", "iptables", Bool, H, "Write firewall and NAT rules (nftables)"),
    opt("ipv6", "ipv6", Bool, H, "Enable IPv6 on the default bridge"),
    opt("label", "labels", List, H, "Labels of the engine, as KEY=VALUE"),
    opt("live-restore", "live-restore", Bool, moot("containers always live on"), "Keep containers alive while the daemon is down (always true)"),
    opt("log-driver", "log-driver", Text, H, "Log driver of containers: json-file or none"),
    opt("log-format", "log-format", Text, H, "Format of the daemon's own log: text or json"),
    short('l', opt("log-level", "log-level", Text, H, "debug, info, warn, error or fatal")),
    opt("log-opt", "log-opts", Map, H, "Options of the log driver (default max-size=20m, max-file=5)"),
    opt("max-concurrent-downloads", "max-concurrent-downloads", Int, H, "Downloads at a time"),
    opt("max-concurrent-uploads", "max-concurrent-uploads", Int, H, "Uploads at a time"),
    opt("max-download-attempts", "max-download-attempts", Int, H, "Attempts of each download"),
    opt("metrics-addr", "metrics-addr", Text, later("the metrics endpoint is not built yet"), "Where to serve metrics"),
    opt("mtu", "mtu", Int, H, "MTU of the default bridge"),
    opt("network-control-plane-mtu", "network-control-plane-mtu", Int, moot("there is no swarm"), "MTU of swarm's control plane"),
    opt("no-new-privileges", "no-new-privileges", Bool, H, "Containers cannot gain privileges"),
    opt("no-proxy", "no-proxy", Text, H, "Hosts that need no proxy"),
    opt("node-generic-resource", "node-generic-resources", List, moot("there is no swarm"), "Resources to advertise to swarm"),
    short('p', opt("pidfile", "pidfile", Text, H, "Process id file (default /run/gantry.pid)")),
    opt("raw-logs", "raw-logs", Bool, H, "No colours in the daemon's own log"),
    opt("registry-mirror", "registry-mirrors", List, H, "Mirrors of the default registry"),
    opt("rootless", "rootless", Bool, later("rootless mode is not built yet"), "Run without root"),
    opt("seccomp-profile", "seccomp-profile", Text, H, "Seccomp profile of containers: builtin, unconfined or a file"),
    opt("selinux-enabled", "selinux-enabled", Bool, later("SELinux labels are not built yet"), "Label containers for SELinux"),
    opt("shutdown-timeout", "shutdown-timeout", Int, moot("the daemon does not stop containers"), "Seconds containers get at shutdown"),
    short('s', opt("storage-driver", "storage-driver", Text, H, "Layer store: overlay2")),
    opt("storage-opt", "storage-opts", List, H, "Options of the layer store: layers=directory or layers=erofs"),
    opt("swarm-default-advertise-addr", "swarm-default-advertise-addr", Text, moot("there is no swarm"), "Address to advertise to swarm"),
    opt("tls", "tls", Bool, H, "Use TLS on TCP (not built yet); --tls=false allows TCP without it"),
    opt("tlscacert", "tlscacert", Text, later("TLS is not built yet"), "Certificates of CAs to trust"),
    opt("tlscert", "tlscert", Text, later("TLS is not built yet"), "Certificate of the engine"),
    opt("tlskey", "tlskey", Text, later("TLS is not built yet"), "Key of the engine"),
    opt("tlsverify", "tlsverify", Bool, H, "Use TLS and verify clients (not built yet)"),
    opt("userland-proxy", "userland-proxy", Bool, moot("ports are published by the kernel alone"), "Publish ports by a process each"),
    opt("userland-proxy-path", "userland-proxy-path", Text, moot("ports are published by the kernel alone"), "Path of the proxy"),
    opt("userns-remap", "userns-remap", Text, later("user namespaces for all containers are not built yet"), "Users and groups of containers' user namespaces"),
    opt("validate", "", Bool, H, "Check the configuration and exit"),
    opt("", "firewall-backend", Text, moot("rules are written to nftables"), "Firewall back end"),
    opt("", "default-stop-timeout", Int, H, "Seconds between stop signal and kill"),
    opt("", "network-diagnostic-port", Int, later("there is no diagnostic server"), "Port of the network's diagnostic server"),
    opt("", "swarm-raft-heartbeat-tick", Int, moot("there is no swarm"), "Swarm"),
    opt("", "swarm-raft-election-tick", Int, moot("there is no swarm"), "Swarm"),
    opt("", "builder", Object, moot("the build cache is collected by gc-high and gc-low"), "Garbage collection of the build cache"),
    opt("", "nri-opts", Object, later("NRI is not built yet"), "Node resource interface"),
    opt("", "min-api-version", Text, moot("1.24 is always spoken"), "Oldest API version"),
    opt("", "bridge-accept-fwmark", Text, later("firewall marks are not built yet"), "Firewall mark that may enter bridges"),
    opt("", "default-init", Text, moot("use init-path"), "Name of the init"),
    opt("", "resolv-conf", Text, later("the host's resolv.conf is found by itself"), "The host's resolv.conf"),
    opt("gc-age", "gc-age", Text, H, "What was used in this time is not collected (default 48h)"),
    opt("gc-high", "gc-high", Int, H, "Collect unused data when the disk is fuller than this percentage; 0 never (default 90)"),
    opt("gc-images", "gc-images", Bool, H, "Collect images that no container uses, not only caches"),
    opt("gc-keep", "gc-keep", List, H, "Images that are never collected, as patterns of references"),
    opt("gc-low", "gc-low", Int, H, "Collect until the disk is no fuller than this percentage (default 80)"),
    opt("push-compression", "push-compression", Text, H, "What layers become that are made for a registry: gzip, zstd or uncompressed, with :LEVEL (default gzip)"),
    opt("trace", "", Text, H, "Append spans to this file in Chrome's trace format"),
];
