//! What builds have left behind: told by `buildx du`, taken away by `builder prune`.

use jiff::Timestamp;
use tonic::Status;

use crate::wire::control::{PruneRequest, UsageRecord};

/// The result of a step, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Its name.
    pub id: String,
    /// The result it goes on from.
    pub parent: Option<String>,
    /// What people call it.
    pub description: String,
    /// Its kind in BuildKit's words: `regular`, `exec.cachemount`.
    pub kind: &'static str,
    /// Bytes.
    pub size_bytes: u64,
    /// When it was made, nanoseconds since 1970.
    pub created_ns: i64,
    /// When it was used last, nanoseconds since 1970.
    pub used_ns: i64,
    /// How often it was used.
    pub uses: u64,
    /// Whether an image has it too, so that taking it away frees nothing.
    pub is_shared: bool,
}

/// What is taken away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wipe {
    /// Also what an image shares.
    pub all: bool,
    /// Only what was not used for so long, nanoseconds.
    pub unused_for_ns: i64,
    /// Only until so many bytes are left.
    pub keep_bytes: u64,
}

pub(super) fn record(usage: &Usage) -> UsageRecord {
    UsageRecord {
        id: usage.id.clone(),
        mutable: false,
        in_use: false,
        size: i64::try_from(usage.size_bytes).unwrap_or(i64::MAX),
        created_at: time(usage.created_ns),
        last_used_at: time(usage.used_ns),
        usage_count: i64::try_from(usage.uses).unwrap_or(i64::MAX),
        description: usage.description.clone(),
        record_type: usage.kind.to_owned(),
        shared: usage.is_shared,
        parents: usage.parent.iter().cloned().collect(),
    }
}

fn time(nanoseconds: i64) -> Option<prost_types::Timestamp> {
    let at = Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()?;
    Some(prost_types::Timestamp {
        seconds: at.as_second(),
        nanos: at.subsec_nanosecond(),
    })
}

/// What a client wants to be rid of.
pub(super) fn wipe(request: &PruneRequest) -> Result<Wipe, Status> {
    no_filter(&request.filter)?;
    if request.min_free_space != 0 {
        return Err(Status::unimplemented(
            "a minimum of free space is not supported: say how much is kept",
        ));
    }
    let kept = request.reserved_space.max(request.max_used_space);
    Ok(Wipe {
        all: request.all,
        unused_for_ns: request.keep_duration,
        keep_bytes: u64::try_from(kept).unwrap_or(0),
    })
}

/// No filter is known; clients without one send an empty one.
pub(super) fn no_filter(filters: &[String]) -> Result<(), Status> {
    let Some(filter) = filters.iter().find(|filter| !filter.is_empty()) else {
        return Ok(());
    };
    let text = format!("the filter {filter:?} of the build cache is not supported");
    Err(Status::unimplemented(text))
}
