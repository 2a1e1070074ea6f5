//! The whole stack, driven from outside. Run by `cargo xtask test`; with `GANTRY_ORACLE=1` the same
//! tests run on stock dockerd.

mod exec;
mod lifecycle;
mod logs;
mod run;
mod streams;
