//! How fast a bar moves, and when it will be full. Pure.

use std::time::{Duration, Instant};

use gantry_engine_api::progress::{ProgressDetail, ProgressMessage};

use crate::format::decimal_size;

/// Before this nothing is said: the first bytes come in one lump.
const SETTLING: Duration = Duration::from_millis(500);

/// Where a bar began to move.
#[derive(Debug, Clone)]
pub(super) struct Rate {
    status: String,
    began: Instant,
    from: i64,
}

impl Rate {
    pub(super) fn begin(message: &ProgressMessage, detail: &ProgressDetail) -> Self {
        Self {
            status: message.status.clone(),
            began: Instant::now(),
            from: detail.current,
        }
    }

    /// Whether it is the same bar: downloading and extracting are two.
    pub(super) fn is_of(&self, message: &ProgressMessage) -> bool {
        self.status == message.status
    }

    /// `  12.3MB/s  4s`: bytes a second, and the seconds that are left.
    pub(super) fn told(&self, detail: &ProgressDetail, now: Instant) -> String {
        let elapsed = now.saturating_duration_since(self.began);
        let moved = detail.current.saturating_sub(self.from);
        if elapsed < SETTLING || moved <= 0 {
            return String::new();
        }
        #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
        let (moved, left) = (moved as f64, (detail.total - detail.current) as f64);
        let speed = moved / elapsed.as_secs_f64();
        let told = format!("  {}/s", decimal_size(speed));
        match left > 0.0 {
            true => format!("{told}  {}", clock(left / speed)),
            false => told,
        }
    }
}

/// `4s`, `1m05s`, `2h03m`.
fn clock(seconds: f64) -> String {
    // Longer than a thousand hours is as good as never.
    let whole = Duration::from_secs_f64(seconds.clamp(0.0, 3.6e6)).as_secs();
    match whole {
        0..60 => format!("{}s", whole.max(1)),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_tells_its_speed_and_what_is_left() {
        let detail = |current, total| ProgressDetail { current, total };
        let message = ProgressMessage::status("Downloading");
        let rate = Rate::begin(&message, &detail(1_000, 100_000));
        let after = |ms| rate.began + Duration::from_millis(ms);
        assert_eq!(rate.told(&detail(2_000, 100_000), after(100)), "");
        assert_eq!(rate.told(&detail(1_000, 100_000), after(900)), "");
        assert_eq!(
            rate.told(&detail(21_000, 100_000), after(2_000)),
            "  10kB/s  7s"
        );
        assert_eq!(rate.told(&detail(21_000, 0), after(2_000)), "  10kB/s");
        assert!(rate.is_of(&message) && !rate.is_of(&ProgressMessage::status("Extracting")));
    }

    #[test]
    fn times_are_short() {
        let told = [0.2, 59.0, 65.0, 7380.0, f64::INFINITY].map(clock);
        assert_eq!(told, ["1s", "59s", "1m05s", "2h03m", "1000h00m"]);
    }
}
