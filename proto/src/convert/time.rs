//! Timestamps. Go's zero time (year 1) and an absent field both mean "no time".

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

/// This moment.
#[must_use]
pub fn now() -> Timestamp {
    to_wire(SystemTime::now())
}

/// A time for the wire.
#[must_use]
pub fn to_wire(time: SystemTime) -> Timestamp {
    Timestamp::from(time)
}

/// A time from the wire; `None` when absent, before 1970 or beyond what the machine can express.
#[must_use]
pub fn from_wire(stamp: Option<&Timestamp>) -> Option<SystemTime> {
    let stamp = stamp?;
    let seconds = u64::try_from(stamp.seconds).ok()?;
    let nanos = u32::try_from(stamp.nanos)
        .ok()
        .filter(|n| *n < 1_000_000_000)?;
    if seconds == 0 && nanos == 0 {
        return None;
    }
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::{from_wire, to_wire};
    use prost_types::Timestamp;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn nanoseconds_survive() {
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        assert_eq!(from_wire(Some(&to_wire(time))), Some(time));
    }

    #[test]
    fn the_zero_times_of_go_and_protobuf_are_none() {
        let go = Timestamp {
            seconds: -62_135_596_800,
            nanos: 0,
        };
        assert_eq!(from_wire(Some(&go)), None);
        assert_eq!(from_wire(Some(&Timestamp::default())), None);
        assert_eq!(from_wire(None), None);
    }
}
