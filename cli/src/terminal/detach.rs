//! The key sequence that leaves a container running and gives the terminal back.

use anyhow::{Result, bail};

/// `ctrl-p,ctrl-q`.
const DEFAULT: &[u8] = &[0x10, 0x11];

/// Watches input for the sequence; bytes of a sequence that breaks off are passed on.
#[derive(Clone, Debug)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    matched: usize,
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q`, `a`, `ctrl-@,x`; an empty text is the default.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self {
                keys: DEFAULT.to_vec(),
                matched: 0,
            });
        }
        let keys: Result<Vec<u8>> = text.split(',').map(key).collect();
        Ok(Self {
            keys: keys?,
            matched: 0,
        })
    }

    /// Moves what is not part of the sequence from `input` to `out`; true once it is complete.
    pub(crate) fn scan(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        for &byte in input {
            if byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return true;
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.matched]);
            self.matched = usize::from(byte == self.keys[0]);
            if self.matched == 0 {
                out.push(byte);
            }
        }
        false
    }
}

fn key(text: &str) -> Result<u8> {
    if let [byte] = text.as_bytes() {
        return Ok(*byte);
    }
    match text.strip_prefix("ctrl-").map(str::as_bytes) {
        Some([letter @ b'a'..=b'z']) => Ok(letter - b'a' + 1),
        Some(b"@") => Ok(0),
        Some([mark @ b'['..=b'_']) => Ok(mark - b'[' + 27),
        _ if text.eq_ignore_ascii_case("del") => Ok(127),
        _ => bail!("invalid detach keys ({text}): unknown character: '{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(keys: &str, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut detach = DetachKeys::parse(keys).unwrap();
        let mut out = Vec::new();
        let ended = pieces.iter().any(|piece| detach.scan(piece, &mut out));
        (out, ended)
    }

    #[test]
    fn the_sequence_ends_the_input() {
        assert_eq!(run("", &[b"ab\x10", b"\x11cd"]), (b"ab".to_vec(), true));
        assert_eq!(run("ctrl-a,x", &[b"1\x01x"]), (b"1".to_vec(), true));
    }

    #[test]
    fn a_broken_sequence_is_passed_on() {
        assert_eq!(
            run("", &[b"\x10", b"a\x10\x10b"]),
            (b"\x10a\x10\x10b".to_vec(), false)
        );
    }

    #[test]
    fn bad_keys_are_refused() {
        for keys in ["ctrl-", "ctrl-A", "abc", "a,"] {
            assert!(DetachKeys::parse(keys).is_err(), "{keys}");
        }
    }
}
