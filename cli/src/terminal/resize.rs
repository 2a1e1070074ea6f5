//! Keeps a container's terminal as large as the user's.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Client, ClientError};

/// Rows and columns of the terminal at stdout; `None` where it is none.
pub(crate) fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    (size.ws_row != 0 || size.ws_col != 0).then_some((size.ws_row, size.ws_col))
}

/// Sends the size now and whenever it changes, to `/containers/ID` or `/exec/ID`. Never ends.
///
/// With `redraw` another size is sent first, so that the program inside draws its screen again.
pub(crate) async fn follow_size(client: &Client, object: &str, redraw: bool) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else {
        return std::future::pending().await;
    };
    if let (true, Some((rows, columns))) = (redraw, size()) {
        let _ = post(client, object, (rows + 1, columns + 1)).await;
    }
    // The process may not be there yet at the first call.
    for attempt in 0..10_u32 {
        if send(client, object).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10) * (attempt + 1)).await;
    }
    loop {
        if changes.recv().await.is_none() {
            return std::future::pending().await;
        }
        // A container that just ended has no size.
        let _ = send(client, object).await;
    }
}

async fn send(client: &Client, object: &str) -> Result<(), ClientError> {
    let Some(size) = size() else { return Ok(()) };
    post(client, object, size).await
}

async fn post(
    client: &Client,
    object: &str,
    (rows, columns): (u16, u16),
) -> Result<(), ClientError> {
    let call = client.post(format!("{object}/resize"));
    call.query("h", rows.to_string())
        .query("w", columns.to_string())
        .done()
        .await
}
