//! Finds a client's detach keys in what it types. The keys may come in any number of reads; a
//! beginning that turns out to be something else is passed on, so nothing typed is lost.

/// The state of one client's keys.
#[derive(Debug)]
pub(super) struct DetachKeys {
    keys: Vec<u8>,
    matched: usize,
}

/// Whether the client goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    /// The keys have not been typed.
    On,
    /// The last key was typed; what followed it is dropped.
    Detach,
}

impl DetachKeys {
    /// Looks for `keys`; an empty sequence is never found.
    pub(super) fn new(keys: Vec<u8>) -> Self {
        Self { keys, matched: 0 }
    }

    /// Passes `input` on to `out`, but for the keys themselves.
    pub(super) fn filter(&mut self, input: &[u8], out: &mut Vec<u8>) -> Typed {
        if self.keys.is_empty() {
            out.extend_from_slice(input);
            return Typed::On;
        }
        for byte in input {
            if *byte != self.keys[self.matched] {
                self.release(*byte, out);
            }
            if *byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return Typed::Detach;
                }
            } else {
                out.push(*byte);
            }
        }
        Typed::On
    }

    /// Gives up as much of the match as `next` rules out: the longest part that can still be the
    /// beginning of the keys is kept.
    fn release(&mut self, next: u8, out: &mut Vec<u8>) {
        let held = self.matched;
        while self.matched > 0 && self.keys[self.matched] != next {
            let longest = (0..self.matched)
                .rev()
                .find(|len| self.keys[..*len] == self.keys[self.matched - len..self.matched]);
            self.matched = longest.unwrap_or(0);
        }
        out.extend_from_slice(&self.keys[..held - self.matched]);
    }
}

#[cfg(test)]
mod tests;
