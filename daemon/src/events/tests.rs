//! The bus: each event once, in order, whoever reads slowly.

use std::sync::Arc;

use gantry_engine_api::Filters;

use super::{EventBus, EventFilter, EventKind, HISTORY};

fn bus_with(count: usize) -> Arc<EventBus> {
    let bus = Arc::new(EventBus::default());
    for number in 0..count {
        bus.publish(EventKind::Container, "start", &number.to_string(), []);
    }
    bus
}

#[test]
fn a_subscriber_sees_each_event_once_and_in_order() {
    let bus = bus_with(3);
    let mut from_now = bus.subscribe();
    let mut from_the_start = bus.subscribe_with_history();
    bus.publish(EventKind::Container, "die", "3", []);
    let ids = |events: Vec<Arc<gantry_engine_api::EventMessage>>| {
        events
            .iter()
            .map(|e| e.actor.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(from_now.ready()), ["3"]);
    assert_eq!(ids(from_the_start.ready()), ["0", "1", "2", "3"]);
    assert!(from_now.ready().is_empty() && from_the_start.ready().is_empty());
}

#[test]
fn the_ring_forgets_the_oldest_and_times_increase() {
    let bus = bus_with(HISTORY + 10);
    let events = bus.subscribe_with_history().ready();
    assert_eq!(events.len(), HISTORY);
    assert_eq!(events[0].actor.id, "10");
    assert!(
        events
            .windows(2)
            .all(|pair| pair[0].time_nano < pair[1].time_nano)
    );
}

#[tokio::test]
async fn a_waiting_subscriber_is_woken() {
    let bus = bus_with(0);
    let mut subscription = bus.subscribe();
    assert_eq!(bus.listeners(), 1);
    let waiting = tokio::spawn(async move { subscription.next().await });
    bus.publish(EventKind::Image, "tag", "x", []);
    assert_eq!(waiting.await.unwrap().len(), 1);
    assert_eq!(bus.listeners(), 0);
}

#[test]
fn legacy_fields_repeat_the_new_ones() {
    let bus = bus_with(0);
    let image = ("image".to_owned(), "alpine:3".to_owned());
    bus.publish(EventKind::Container, "exec_start: sh -c x", "c1", [image]);
    bus.publish(EventKind::Network, "connect", "n1", []);
    let events = bus.subscribe_with_history().ready();
    assert_eq!(
        (events[0].id.as_str(), events[0].from.as_str()),
        ("c1", "alpine:3")
    );
    assert_eq!(events[0].status, "exec_start: sh -c x");
    assert!(events[1].status.is_empty() && events[1].id.is_empty());
}

#[test]
fn filters_pass_what_docker_passes() {
    let bus = bus_with(0);
    let attributes = [("image", "a/b:1"), ("name", "web"), ("tier", "x")];
    let attributes = attributes.map(|(k, v)| (k.to_owned(), v.to_owned()));
    bus.publish(EventKind::Container, "exec_start: sh", "abc123", attributes);
    let event = &bus.subscribe_with_history().ready()[0];
    for (filter, passes) in [
        (r#"{"container":["web"]}"#, true),
        (r#"{"container":["abc1"]}"#, true),
        (r#"{"container":["db"]}"#, false),
        (r#"{"network":["web"]}"#, false),
        (r#"{"event":["exec_start"]}"#, true),
        (r#"{"event":["exec"]}"#, false),
        (r#"{"image":["a/b"]}"#, true),
        (r#"{"image":["a/b:1"]}"#, true),
        (r#"{"image":["a"]}"#, false),
        (r#"{"label":["tier=x"],"type":["container"]}"#, true),
        (r#"{"label":["tier=y"]}"#, false),
        (r#"{"event":["die","exec_start"],"scope":["local"]}"#, true),
    ] {
        let filter = EventFilter::new(Filters::parse(filter).unwrap()).unwrap();
        assert_eq!(filter.matches(event), passes, "{filter:?}");
    }
    assert!(EventFilter::new(Filters::parse(r#"{"foo":["x"]}"#).unwrap()).is_err());
}

#[test]
fn what_was_told_last_of_each_network_is_known() {
    let bus = EventBus::default();
    let told = |action: &str, network: &str, container: &str| {
        let attributes = [("container".to_owned(), container.to_owned())];
        bus.publish(EventKind::Network, action, network, attributes);
    };
    assert!(!bus.reaches_back_to(i64::MAX), "nothing is known yet");
    for (action, network, container) in [
        ("create", "a", ""),
        ("connect", "a", "one"),
        ("connect", "b", "one"),
        ("connect", "b", "two"),
        ("disconnect", "a", "one"),
    ] {
        told(action, network, container);
    }
    let last = bus.memberships("one");
    let last: Vec<_> = last
        .iter()
        .map(|(network, event)| (network.as_str(), event.action.as_str()))
        .collect();
    assert_eq!(last, [("a", "disconnect"), ("b", "connect")]);
    assert!(bus.memberships("three").is_empty());
    assert!(bus.reaches_back_to(i64::MAX) && !bus.reaches_back_to(0));
}
