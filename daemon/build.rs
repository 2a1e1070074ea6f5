//! Embeds the image and the init that `cargo xtask build` has made.
//!
//! `GANTRY_EMBEDDED_IMAGE` (an image archive) and `GANTRY_EMBEDDED_INIT` (a static program) name files
//! at compile time; without them the daemon is built without and says so when one is needed.

use std::env;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() {
    let mut source = String::new();
    for (constant, variable) in [
        ("IMAGE", "GANTRY_EMBEDDED_IMAGE"),
        ("INIT", "GANTRY_EMBEDDED_INIT"),
    ] {
        println!("cargo::rerun-if-env-changed={variable}");
        let bytes = match env::var(variable) {
            Ok(path) if !path.is_empty() => {
                println!("cargo::rerun-if-changed={path}");
                format!("include_bytes!({path:?})")
            }
            _ => "&[]".to_owned(),
        };
        writeln!(source, "pub(super) static {constant}: &[u8] = {bytes};")
            .expect("a string takes any text");
    }
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("embedded.rs"), source).expect("write embedded.rs");
    std::fs::write(Path::new(&out).join("build_time.rs"), build_time()).expect("write the time");
}

/// The time for `/version`, in dockerd's form, as a literal. A reproducible build sets `SOURCE_DATE_EPOCH`.
fn build_time() -> String {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let given = env::var("SOURCE_DATE_EPOCH").ok();
    let seconds = given.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |since| since.as_secs())
    });
    format!("{:?}", rfc3339(seconds))
}

/// Seconds since 1970 as a date of the proleptic Gregorian calendar, in UTC.
fn rfc3339(seconds: u64) -> String {
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let day = days + 1;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000000000+00:00")
}
