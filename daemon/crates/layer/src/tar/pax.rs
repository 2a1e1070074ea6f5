//! Extended headers: PAX records and what they override.

use super::{TarError, Timestamp, sparse};

/// What extended headers say about the entry after them.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: sparse::Records,
}

const SPARSE: &[u8] = b"GNU.sparse.";
const XATTR: &[u8] = b"SCHILY.xattr.";
/// More attributes than any file has; a bound on the work that one header can cause.
const XATTRS_MAX: usize = 256;

/// Reads `length key=value\n` records. Keys that mean nothing here are ignored, as POSIX asks.
pub(super) fn parse(mut records: &[u8], into: &mut Extended) -> Result<(), TarError> {
    while !records.is_empty() {
        let (record, rest) = split_record(records).ok_or(TarError::Pax)?;
        let equals = record
            .iter()
            .position(|byte| *byte == b'=')
            .ok_or(TarError::Pax)?;
        apply(&record[..equals], &record[equals + 1..], into)?;
        records = rest;
    }
    Ok(())
}

/// The first record without its length and newline, and the others.
fn split_record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = records.iter().take(20).position(|byte| *byte == b' ')?;
    let digits = &records[..space];
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (record, rest) = records.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    Some((record, rest))
}

fn apply(key: &[u8], value: &[u8], into: &mut Extended) -> Result<(), TarError> {
    // An empty value takes an earlier record back.
    let given = (!value.is_empty()).then_some(value);
    match key {
        b"path" => into.path = given.map(<[u8]>::to_vec),
        b"linkpath" => into.link = given.map(<[u8]>::to_vec),
        b"size" => into.size = given.map(|text| decimal(text, "size")).transpose()?,
        b"uid" => into.uid = given.map(|text| decimal(text, "uid")).transpose()?,
        b"gid" => into.gid = given.map(|text| decimal(text, "gid")).transpose()?,
        b"mtime" => into.mtime = given.map(timestamp).transpose()?,
        _ => {
            if let Some(key) = key.strip_prefix(SPARSE) {
                return into.sparse.take(key, given);
            }
            if let Some(name) = key.strip_prefix(XATTR) {
                if name.is_empty() || name.contains(&0) {
                    return Err(TarError::Pax);
                }
                into.xattrs.retain(|(known, _)| known != name);
                if into.xattrs.len() >= XATTRS_MAX {
                    let limit = XATTRS_MAX as u64;
                    return Err(TarError::Limit {
                        what: "number of attributes",
                        limit,
                    });
                }
                into.xattrs.push((name.to_vec(), value.to_vec()));
            }
        }
    }
    Ok(())
}

fn decimal(text: &[u8], what: &'static str) -> Result<u64, TarError> {
    if !text.iter().all(u8::is_ascii_digit) {
        return Err(TarError::Number(what));
    }
    let text = std::str::from_utf8(text).map_err(|_| TarError::Number(what))?;
    text.parse().map_err(|_| TarError::Number(what))
}

/// `[-]seconds[.fraction]`; digits beyond nanoseconds are cut off.
fn timestamp(text: &[u8]) -> Result<Timestamp, TarError> {
    let bad = || TarError::Number("mtime");
    let text = std::str::from_utf8(text).map_err(|_| bad())?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || !is_digits(digits) || !is_digits(fraction) {
        return Err(bad());
    }
    let seconds: i64 = whole.parse().map_err(|_| bad())?;
    let nanos: u32 = format!("{fraction:0<9.9}").parse().map_err(|_| bad())?;
    if whole.starts_with('-') && nanos > 0 {
        let seconds = seconds.checked_sub(1).ok_or_else(bad)?;
        return Ok(Timestamp {
            seconds,
            nanos: 1_000_000_000 - nanos,
        });
    }
    Ok(Timestamp { seconds, nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let mut extended = Extended::default();
        let text = b"12 path=a/b\n20 mtime=-1.5000001\n27 SCHILY.xattr.user.a=x\ny\n7 uid=\n";
        parse(text, &mut extended).unwrap();
        assert_eq!(extended.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(
            extended.mtime,
            Some(Timestamp {
                seconds: -2,
                nanos: 499_999_900
            })
        );
        assert_eq!(extended.xattrs, [(b"user.a".to_vec(), b"x\ny".to_vec())]);
        assert_eq!(extended.uid, None);
    }

    #[test]
    fn malformed_records_are_refused() {
        let cases: [&[u8]; 8] = [
            b"x",
            b"5 a\n",
            b"99 path=a\n",
            b"3 path=a\n",
            b"-9 path=a\n",
            b"9 path=a",
            b" path=a\n",
            b"18446744073709551616 a=b\n",
        ];
        for text in cases {
            assert!(parse(text, &mut Extended::default()).is_err(), "{text:?}");
        }
        for text in ["", "-", "1e9", "1.x", "99999999999999999999"] {
            assert!(timestamp(text.as_bytes()).is_err(), "{text}");
        }
    }
}
