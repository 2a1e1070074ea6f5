//! The whole stack, driven from outside. Run by `cargo xtask test`; with `GANTRY_ORACLE=1` the same
//! tests run on stock dockerd.

mod api;
mod compose;
mod crash;
mod docker_py;
mod exec;
mod lifecycle;
mod limits;
mod logs;
mod network;
mod networks;
mod registries;
mod run;
mod ssh;
mod streams;
mod trace;
mod usage;
mod volumes;
