//! What all actors share, and how one is started.

use std::sync::Arc;

use super::actor::spawn;
use super::handle::Handle;
use super::machine::State;
use super::record::Record;
use super::table::Table;
use crate::event::Journal;
use crate::names::Key;
use crate::shim::{Launcher, Layout};

/// What all actors share.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where events go.
    pub(crate) journal: Journal,
    /// How shims are started.
    pub(crate) launcher: Launcher,
    /// Where bundles lie.
    pub(crate) layout: Layout,
    /// Where an actor is found.
    pub(crate) table: Table,
}

impl Context {
    /// Starts the actor of a task that is about to be created.
    pub(crate) fn start(self: &Arc<Self>, key: &Key) -> Handle {
        spawn(self, key, State::Creating, self.blank())
    }

    /// Starts the actor of a task that an earlier supervisor left in a bundle, with its record.
    pub(crate) fn recover(self: &Arc<Self>, key: &Key, record: Option<Record>) -> Handle {
        let record = record.unwrap_or_else(|| self.blank());
        let state = match record.processes.clone() {
            Some(_) if record.deleted => State::Abandoned,
            Some(processes) if record.buried => State::Buried(processes),
            Some(processes) => State::Recovering(processes),
            None => State::Abandoned,
        };
        spawn(self, key, state, record)
    }

    fn blank(&self) -> Record {
        Record::new(self.launcher.own.0.clone())
    }
}
