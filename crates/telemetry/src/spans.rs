//! Writes every `tracing` span that closes into the trace. A field `name` names the span where its own
//! name, which is fixed, says too little.

use std::fmt;
use std::time::SystemTime;

use gantry_probe::trace;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::init::FOREIGN;

/// The layer, or none where no trace is written.
pub(crate) fn layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let wanted = Targets::new()
        .with_default(LevelFilter::DEBUG)
        .with_targets(FOREIGN.map(|name| (name, LevelFilter::OFF)));
    trace::enabled().then(|| Spans.with_filter(wanted))
}

struct Spans;

/// What is remembered of an open span.
struct Open {
    begin: SystemTime,
    args: Args,
}

#[derive(Default)]
struct Args(Map<String, Value>);

impl Visit for Args {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl<S> Layer<S> for Spans
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut args = Args::default();
        attributes.record(&mut args);
        let begin = SystemTime::now();
        span.extensions_mut().insert(Open { begin, args });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.args);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let Some(open) = span.extensions_mut().remove::<Open>() else {
            return;
        };
        let track = span
            .scope()
            .from_root()
            .next()
            .map_or(0, |root| root.id().into_u64());
        let elapsed = open.begin.elapsed().unwrap_or_default();
        let mut args = open.args.0;
        let name = args.remove("name");
        let name = name.as_ref().and_then(Value::as_str);
        trace::complete(
            name.unwrap_or(span.name()),
            open.begin,
            elapsed,
            track,
            &args,
        );
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// The only test that opens a trace: the writer is the process's own.
    #[test]
    fn spans_nest_on_the_track_of_their_root() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let path = directory.path().join("trace.json");
        trace::open("test", Some(&path)).expect("opened");
        let subscriber = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("outer", container.id = "c1");
            span.in_scope(|| drop(tracing::info_span!("inner", name = "told")));
        });
        let text = std::fs::read_to_string(&path).expect("read");
        let closed = format!("{}]", text.trim_end().trim_end_matches(','));
        let events: Vec<Value> = serde_json::from_str(&closed).expect("an array");
        let names: Vec<_> = events.iter().map(|e| e["name"].as_str()).collect();
        assert_eq!(names, [Some("process_name"), Some("told"), Some("outer")]);
        assert_eq!(events[1]["tid"], events[2]["tid"]);
        assert_eq!(events[2]["args"]["container.id"], "c1");
        assert!(events[2]["ts"].as_f64() <= events[1]["ts"].as_f64());
    }
}
