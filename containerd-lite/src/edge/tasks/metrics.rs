//! Statistics of many tasks at once: each shim has its own deadline, and one that does not answer is
//! left out.

use std::borrow::Cow;

use futures_util::future::join_all;
use gantry_errors::chain;
use gantry_proto::containerd::types::Metric;
use gantry_proto::convert::time;

use crate::filter::{Fields, Filter};
use crate::task::Handle;

struct ById<'a>(&'a str);

impl Fields for ById<'_> {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        (path == ["id"]).then_some(self.0.into())
    }
}

/// What the wanted tasks use now.
pub(super) async fn collect(tasks: Vec<Handle>, filter: &Filter) -> Vec<Metric> {
    let wanted = tasks
        .into_iter()
        .filter(|task| filter.matches(&ById(task.key().id.as_str())));
    let metrics = join_all(wanted.map(one)).await;
    metrics.into_iter().flatten().collect()
}

async fn one(task: Handle) -> Option<Metric> {
    let shim = task.shim().ok()?;
    match shim.stats().await {
        Ok(data) => Some(Metric {
            timestamp: Some(time::now()),
            id: task.key().id.to_string(),
            data: data.as_ref().map(Into::into),
        }),
        Err(error) => {
            let error = chain(&error).to_string();
            tracing::warn!(container.id = %task.key().id, error, "no statistics of a task");
            None
        }
    }
}
