//! The whole stack, driven from outside. Run by `cargo xtask test`; with `GANTRY_ORACLE=1` the same
//! tests run on stock dockerd.

mod api;
mod beyond;
mod builds;
mod buildx;
mod changes;
mod compose;
mod corpus;
mod crash;
mod crash_images;
mod distribution;
mod docker_py;
mod events;
mod exec;
mod failpoints;
mod fetched;
mod gantry_build;
mod idmap;
mod lifecycle;
mod limits;
mod links;
mod logs;
mod namespaces;
mod network;
mod networks;
mod networks_six;
mod registries;
mod registry_ways;
mod run;
mod ssh;
mod storage;
mod streams;
mod trace;
mod usage;
mod volumes;
