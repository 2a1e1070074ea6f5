//! What the messages do to a kernel, told by `ip` and `nft`, in network namespaces of their own.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

mod firewall;
mod links;

use std::os::fd::OwnedFd;
use std::process::Command;

use gantry_linux::namespace::{Namespaces, unshare};
use gantry_netlink::{Protocol, Socket};
use serde_json::Value;

/// Runs a test on a thread with a fresh network namespace, which goes when the thread ends.
fn in_new_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(Namespaces::NETWORK).expect("these tests run as root");
            test()
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A second namespace, held by its descriptor alone.
fn other_namespace() -> OwnedFd {
    in_new_namespace(this_namespace)
}

fn this_namespace() -> OwnedFd {
    std::fs::File::open("/proc/thread-self/ns/net")
        .unwrap()
        .into()
}

fn route_socket() -> Socket {
    Socket::open(Protocol::Route).unwrap()
}

fn netfilter_socket() -> Socket {
    Socket::open(Protocol::Netfilter).unwrap()
}

/// Runs a program in the calling thread's namespace and reads its JSON.
fn json(program: &str, arguments: &[&str]) -> Value {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| {
            panic!("{program} is needed (`cargo xtask test` installs it): {error}")
        });
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}
