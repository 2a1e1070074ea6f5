//! Networks in laboratories of network namespaces: a "host" with an engine, a "LAN" with another
//! machine, containers that are threads with small servers.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod configuration;
mod defined;
mod firewall;
mod first_packet;
mod host_rules;
mod host_rules_six;
mod kept_connections;
mod lab;
mod lifecycle;
mod live_ports;
mod modes;
mod ports;
mod reach;
mod recovery;
mod relayed_datagrams;
mod six;
mod talk;
