//! One call for each of several containers: all at once, told in the order they were named.

use std::future::Future;

use anyhow::Result;
use futures_util::StreamExt;
use futures_util::stream;

use crate::client::ClientError;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// How many calls are under way at a time.
const AT_ONCE: usize = 50;

/// Calls `call` for each name, prints the names that went well, and fails with what did not.
pub(crate) async fn each<'a, F, Fut>(cx: &Context, names: &'a [String], call: F) -> Result<Exit>
where
    F: Fn(&'a str) -> Fut,
    Fut: Future<Output = Result<(), ClientError>>,
{
    let mut errors = Vec::new();
    let calls = names.iter().map(|name| {
        let call = call(name);
        async move { (name, call.await) }
    });
    let mut ends = stream::iter(calls).buffered(AT_ONCE);
    while let Some((name, end)) = ends.next().await {
        match end {
            Ok(()) => {
                cx.printer.line(name)?;
                cx.printer.flush()?;
            }
            Err(error @ (ClientError::Connect { .. } | ClientError::ConnectDenied { .. })) => {
                return Err(error.into());
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    finish(&errors)
}

/// Success, or all errors as one.
pub(crate) fn finish(errors: &[String]) -> Result<Exit> {
    if errors.is_empty() {
        Ok(Exit::SUCCESS)
    } else {
        Err(Failure::new(1, errors.join("\n")).into())
    }
}
