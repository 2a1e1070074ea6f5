//! Writes every `tracing` span that closes.

use std::fmt;
use std::time::SystemTime;

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
    super::enabled().then(|| Spans.with_filter(wanted))
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
        super::complete(span.name(), open.begin, elapsed, track, &open.args.0);
    }
}
