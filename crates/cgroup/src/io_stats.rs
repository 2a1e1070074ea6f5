//! Block device counters of both versions, and which huge page sizes there are.

use std::fs;
use std::path::Path;

use crate::stats::{IoOperation, IoRecord, IoStats};
use crate::{CgroupError, file};

/// v1: the throttling layer's files count whatever scheduler the device has.
pub(crate) fn read_v1(path: &Path) -> Result<IoStats, CgroupError> {
    let records = |name: &str| -> Result<Vec<IoRecord>, CgroupError> {
        let text = file::read_if_there(&path.join(name))?.unwrap_or_default();
        Ok(text.lines().filter_map(v1_record).collect())
    };
    Ok(IoStats {
        service_bytes: records("blkio.throttle.io_service_bytes_recursive")?,
        serviced: records("blkio.throttle.io_serviced_recursive")?,
    })
}

/// `8:0 Read 4096`; the closing line `Total 4096` has no device and is left out.
fn v1_record(line: &str) -> Option<IoRecord> {
    let mut words = line.split_whitespace();
    let (major, minor) = words.next()?.split_once(':')?;
    let operation = match words.next()? {
        "Read" => IoOperation::Read,
        "Write" => IoOperation::Write,
        "Sync" => IoOperation::Sync,
        "Async" => IoOperation::Async,
        "Discard" => IoOperation::Discard,
        "Total" => IoOperation::Total,
        _ => return None,
    };
    let value = words.next()?.parse().ok()?;
    Some(IoRecord {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        operation,
        value,
    })
}

/// v2: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`.
pub(crate) fn read_v2(path: &Path) -> Result<IoStats, CgroupError> {
    let text = file::read_if_there(&path.join("io.stat"))?.unwrap_or_default();
    let mut stats = IoStats::default();
    for line in text.lines() {
        v2_records(line, &mut stats);
    }
    Ok(stats)
}

fn v2_records(line: &str, stats: &mut IoStats) -> Option<()> {
    let mut words = line.split_whitespace();
    let (major, minor) = words.next()?.split_once(':')?;
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    for word in words {
        let Some((key, value)) = word.split_once('=') else {
            continue;
        };
        let Ok(value) = value.parse() else { continue };
        let (list, operation) = match key {
            "rbytes" => (&mut stats.service_bytes, IoOperation::Read),
            "wbytes" => (&mut stats.service_bytes, IoOperation::Write),
            "dbytes" => (&mut stats.service_bytes, IoOperation::Discard),
            "rios" => (&mut stats.serviced, IoOperation::Read),
            "wios" => (&mut stats.serviced, IoOperation::Write),
            "dios" => (&mut stats.serviced, IoOperation::Discard),
            _ => continue,
        };
        list.push(IoRecord {
            major,
            minor,
            operation,
            value,
        });
    }
    Some(())
}

/// The page sizes for which the group has `hugetlb.<size><suffix>`.
pub(crate) fn page_sizes(path: &Path, suffix: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(path) else {
        return Vec::new();
    };
    let mut sizes: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| {
            let size = name.strip_prefix("hugetlb.")?.strip_suffix(suffix)?;
            // `hugetlb.2MB.rsvd.max` is about reservations.
            (!size.contains('.')).then(|| size.to_owned())
        })
        .collect();
    sizes.sort();
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_lines() {
        let record = v1_record("8:16 Write 42").unwrap();
        assert_eq!((record.major, record.minor, record.value), (8, 16, 42));
        assert_eq!(record.operation, IoOperation::Write);
        assert_eq!(v1_record("Total 42"), None);
    }

    #[test]
    fn v2_lines() {
        let mut stats = IoStats::default();
        v2_records(
            "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 new=7",
            &mut stats,
        )
        .unwrap();
        assert_eq!(stats.service_bytes.len(), 3);
        assert_eq!(stats.serviced[1].value, 4);
    }
}
