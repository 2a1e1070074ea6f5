//! `--sig-proxy`: signals that reach this process go to the container instead.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::client::Client;

/// Linux numbers of the signals that are passed on, by the names the API takes.
const FORWARDED: [(i32, &str); 9] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (10, "USR1"),
    (12, "USR2"),
    (14, "ALRM"),
    (15, "TERM"),
    (18, "CONT"),
    (20, "TSTP"),
];

/// Takes the signals over from now on.
#[derive(Debug)]
pub(crate) struct Caught(mpsc::Receiver<&'static str>);

/// Catches the signals; must run before the container starts, so that none is lost.
pub(crate) fn catch() -> Caught {
    let (sender, receiver) = mpsc::channel(32);
    for (number, name) in FORWARDED {
        let Ok(caught) = signal(SignalKind::from_raw(number)) else {
            continue;
        };
        tokio::spawn(tell(caught, name, sender.clone()));
    }
    Caught(receiver)
}

async fn tell(mut signal: Signal, name: &'static str, sender: mpsc::Sender<&'static str>) {
    while signal.recv().await.is_some() {
        if sender.send(name).await.is_err() {
            return;
        }
    }
}

/// Passes caught signals on to a container. Never ends.
pub(crate) async fn forward(client: &Client, id: &str, mut caught: Caught) {
    while let Some(name) = caught.0.recv().await {
        // The container may be gone already, or not be there yet; docker too lets that pass.
        let _ = client
            .post(format!("/containers/{id}/kill"))
            .query("signal", name)
            .done()
            .await;
    }
    std::future::pending::<()>().await;
}
