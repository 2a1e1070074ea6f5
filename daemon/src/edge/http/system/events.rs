//! `GET /events`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use gantry_engine_api::EventMessage;

use crate::edge::http::error::{ApiError, ApiResult};
use crate::edge::http::extract::Params;
use crate::edge::http::json_lines;
use crate::edge::http::time::{Moment, parse_moment};
use crate::engine::Engine;
use crate::events::{EventFilter, Subscription};

/// Where a stream of events begins and ends.
#[derive(Debug, Clone, Copy)]
struct Window {
    since_ns: i64,
    until_ns: i64,
}

/// Streams events as they happen, after those of the ring that `since` asks for; ends at `until`,
/// at once if that has passed.
pub(super) async fn stream(State(engine): State<Arc<Engine>>, params: Params) -> ApiResult {
    let filter = EventFilter::new(params.filters()?).map_err(|e| ApiError::filter(&e))?;
    let since = parse_moment("since", params.text("since"))?;
    let until = parse_moment("until", params.text("until"))?;
    if let (Some(since), Some(until)) = (since, until)
        && until < since
    {
        let message = format!("`since` time ({since}) cannot be after `until` time ({until})");
        return Err(ApiError::invalid(message));
    }
    let window = Window {
        since_ns: since.map_or(i64::MIN, Moment::as_ns),
        until_ns: until.map_or(i64::MAX, Moment::as_ns),
    };
    // As in dockerd, either end of the window asks for the kept events that lie in it.
    let subscription = match since.or(until) {
        Some(_) => engine.events.subscribe_with_history(),
        None => engine.events.subscribe(),
    };
    Ok(json_lines(lines(engine, subscription, filter, window)))
}

/// The lines of the stream: what is kept, then what comes, until the window or the daemon ends.
fn lines(
    engine: Arc<Engine>,
    subscription: Subscription,
    filter: EventFilter,
    window: Window,
) -> impl Stream<Item = Bytes> + Send {
    let left_ns = window.until_ns.saturating_sub(Moment::now().as_ns());
    let left = Duration::from_nanos(u64::try_from(left_ns).unwrap_or(0));
    let end = (window.until_ns != i64::MAX).then(|| tokio::time::Instant::now() + left);
    let state = (engine, subscription, filter, false);
    stream::unfold(
        state,
        move |(engine, mut subscription, filter, ended)| async move {
            if ended {
                return None;
            }
            let (events, ended) = tokio::select! {
                biased;
                events = subscription.next() => (events, false),
                () = engine.closing.cancelled() => (subscription.ready(), true),
                () = reached(end) => (subscription.ready(), true),
            };
            let batch = encode(&events, &filter, window);
            Some((batch, (engine, subscription, filter, ended)))
        },
    )
}

/// Resolves at the end of the window; never, if there is none.
async fn reached(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// The events that pass, one JSON object a line.
fn encode(events: &[Arc<EventMessage>], filter: &EventFilter, window: Window) -> Bytes {
    let mut text = Vec::new();
    for event in events {
        let inside = (window.since_ns..=window.until_ns).contains(&event.time_nano);
        if inside && filter.matches(event) {
            serde_json::to_writer(&mut text, &**event).expect("a vector takes any text");
            text.push(b'\n');
        }
    }
    text.into()
}
