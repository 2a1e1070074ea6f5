//! What an ordinary build machine cannot show: a machine with all capabilities, and one that systemd
//! starts and stops. Run in a virtual machine by `cargo xtask test --vm`; with `--oracle`, the same
//! tests run there on the stock engine.

mod networks;
mod privileged;
mod systemd;
