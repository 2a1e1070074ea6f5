//! Which events a client wants to see.

use gantry_engine_api::Filters;
use gantry_engine_api::event::EventMessage;
use gantry_engine_api::filters::FilterError;

/// The `filters` of `GET /events`.
#[derive(Debug, Clone, Default)]
pub struct EventFilter(Filters);

/// The names `docker events --filter` knows.
const NAMES: &[&str] = &[
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

impl EventFilter {
    /// Checks the names.
    ///
    /// # Errors
    /// [`FilterError::UnknownName`].
    pub fn new(filters: Filters) -> Result<Self, FilterError> {
        filters.only(NAMES)?;
        Ok(Self(filters))
    }

    /// Whether an event passes.
    #[must_use]
    pub fn matches(&self, event: &EventMessage) -> bool {
        let attributes = &event.actor.attributes;
        let label = |key: &str| attributes.get(key).map(String::as_str);
        self.0
            .allows_by("event", |wanted| action_matches(wanted, &event.action))
            && self.0.allows("type", &event.kind)
            && self.0.allows("scope", &event.scope)
            && self.0.allows_labels("label", label)
            && self.names_object("daemon", event)
            && self.names_object("container", event)
            && self.names_object("volume", event)
            && self.names_object("network", event)
            && self.names_object("plugin", event)
            && self.names_object("service", event)
            && self.names_object("node", event)
            && self.names_object("secret", event)
            && self.names_object("config", event)
            && self.names_image(event)
    }

    /// A filter such as `container=web`: the event is about that kind, by id, prefix of it or name.
    fn names_object(&self, kind: &str, event: &EventMessage) -> bool {
        let name = event
            .actor
            .attributes
            .get("name")
            .map(String::as_str)
            .unwrap_or_default();
        self.0.allows_by(kind, |wanted| {
            let by_name = !wanted.is_empty() && (wanted == name || name.starts_with(wanted));
            event.kind == kind && (event.actor.id.starts_with(wanted) || by_name)
        })
    }

    /// `image=alpine` passes events of that image and of containers made from it, with or without
    /// the tag.
    fn names_image(&self, event: &EventMessage) -> bool {
        let attributes = &event.actor.attributes;
        let key = if event.kind == "image" {
            "name"
        } else {
            "image"
        };
        let name = attributes.get(key).map(String::as_str).unwrap_or_default();
        self.0.allows_by("image", |wanted| {
            wanted == name || wanted == event.actor.id || wanted == without_tag(name)
        })
    }
}

/// `exec_start` matches `exec_start: sh`, `health_status` matches `health_status: healthy`.
fn action_matches(wanted: &str, action: &str) -> bool {
    action == wanted
        || action
            .split_once(": ")
            .is_some_and(|(verb, _)| verb == wanted)
}

fn without_tag(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}
