//! Rules that others take away are put back, and firewalls that come to cut containers off are told of.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use gantry_netlink::nft::{self, Changes};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;

use super::{Networks, lock, open};
use crate::error::NetworkError;
use crate::names;
use crate::store::Family;

/// What others load comes in many changes; they are waited for this long.
const SETTLE: Duration = Duration::from_millis(100);

/// Ends the watching thread when dropped.
#[derive(Debug)]
pub(super) struct Watch {
    stop: std::os::fd::OwnedFd,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A thread that cannot be told ends with the next change.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
    }
}

impl Networks {
    /// Puts the engine's rules back within moments of somebody's flushing them (`nft flush ruleset`, a
    /// reload of the host's firewall), until this is dropped. Nothing runs while no rule of the host
    /// changes.
    pub fn watch_firewall(self: &Arc<Self>) -> Result<(), NetworkError> {
        if !self.config.firewall {
            return Ok(());
        }
        let failed = |source: Errno| NetworkError::File {
            step: "start the thread of",
            path: "firewall changes".into(),
            source: source.into(),
        };
        let changes = Changes::listen().map_err(NetworkError::Firewall)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC).map_err(failed)?;
        let theirs = stop.try_clone().map_err(|source| NetworkError::File {
            step: "start the thread of",
            path: "firewall changes".into(),
            source,
        })?;
        let networks = Arc::downgrade(self);
        thread::Builder::new()
            .name("net-watch".to_owned())
            .spawn(move || watch(&networks, &changes, &theirs))
            .map_err(|source| NetworkError::File {
                step: "start the thread of",
                path: "firewall changes".into(),
                source,
            })?;
        *lock(&self.watch) = Some(Watch { stop });
        Ok(())
    }

    /// Looks whether the engine's tables are there, and writes them again if not.
    fn mend_firewall(&self) -> Result<bool, NetworkError> {
        let wanted: BTreeSet<_> = self
            .state()
            .rules()
            .iter()
            .map(|r| Family::of(r.subnet.addr()))
            .collect();
        let table = names::table(self.config.engine);
        let there = |family| {
            let family = match family {
                Family::V4 => nft::Family::Ipv4,
                Family::V6 => nft::Family::Ipv6,
            };
            nft::table_exists(&mut lock(&self.netfilter), family, &table)
        };
        self.settle_hooks();
        for family in wanted {
            if !there(family).map_err(NetworkError::Firewall)? {
                self.rebuild_firewall()?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What of other firewalls cuts containers off now.
    fn obstacles(&self) -> BTreeSet<String> {
        let table = names::table(self.config.engine);
        let found = open::foreign_drops(&mut lock(&self.netfilter), &table);
        found.unwrap_or_default().into_iter().collect()
    }
}

fn watch(networks: &Weak<Networks>, changes: &Changes, stop: &std::os::fd::OwnedFd) {
    let mut known = networks
        .upgrade()
        .map(|n| n.obstacles())
        .unwrap_or_default();
    loop {
        let mut ready = [
            PollFd::new(changes, PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        if ready[1].revents().contains(PollFlags::IN) {
            return;
        }
        thread::sleep(SETTLE);
        changes.drain();
        let Some(networks) = networks.upgrade() else {
            return;
        };
        match networks.mend_firewall() {
            Ok(true) => tracing::warn!("the engine's firewall rules were gone and are back"),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(error = %gantry_errors::chain(&error), "the engine's firewall rules are not whole");
            }
        }
        let found = networks.obstacles();
        for obstacle in found.difference(&known) {
            tracing::warn!("{obstacle}");
        }
        known = found;
    }
}
