//! The connection to one shim: there while it is used, let go when it rests.
//!
//! An HTTP/2 connection takes some 60 KiB here and again in the shim, for as long as the container
//! runs; making it anew takes less than a millisecond. That a shim lives is told by its pidfd and not
//! by its connection.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gantry_proto::uds;
use tokio::time::Instant;
use tonic::transport::{Channel, Error};

/// How long a connection rests before it is let go.
pub(crate) const REST: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Line {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    channel: Option<Channel>,
    /// When it was last asked for.
    used: Instant,
}

impl Line {
    /// Connects now, to learn whether anybody listens.
    ///
    /// # Errors
    /// Nobody does.
    pub(super) async fn connect(path: &Path) -> Result<Arc<Self>, Error> {
        let channel = uds::connect(path).await?;
        let line = Arc::new(Self {
            path: path.to_owned(),
            state: Mutex::new(State {
                channel: Some(channel),
                used: Instant::now(),
            }),
        });
        line.let_go_at_rest();
        Ok(line)
    }

    /// A channel for one call, which holds it open until it ends.
    pub(super) fn channel(self: &Arc<Self>) -> Channel {
        let mut state = self.state();
        state.used = Instant::now();
        if let Some(channel) = &state.channel {
            return channel.clone();
        }
        let channel = uds::connect_lazy(&self.path);
        state.channel = Some(channel.clone());
        drop(state);
        self.let_go_at_rest();
        channel
    }

    fn let_go_at_rest(self: &Arc<Self>) {
        let line = Arc::clone(self);
        tokio::spawn(async move {
            let mut until = Instant::now() + REST;
            loop {
                tokio::time::sleep_until(until).await;
                let mut state = line.state();
                until = state.used + REST;
                if until <= Instant::now() {
                    state.channel = None;
                    return;
                }
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
