//! Collects an expanded text as a whole and split into words, within the limit of its length.

use super::MAX_BYTES;
use crate::error::Expansion;

#[derive(Debug, Default)]
pub(super) struct Words {
    text: String,
    words: Vec<String>,
    word: String,
}

impl Words {
    /// Adds a letter; a space ends the word.
    pub(super) fn push(&mut self, letter: char) -> Result<(), Expansion> {
        self.text.push(letter);
        self.split(letter);
        self.check()
    }

    /// Adds a letter that is part of the word even if it is a space.
    pub(super) fn push_raw(&mut self, letter: char) -> Result<(), Expansion> {
        self.text.push(letter);
        self.word.push(letter);
        self.check()
    }

    /// Adds a text whose spaces end words.
    pub(super) fn push_split(&mut self, text: &str) -> Result<(), Expansion> {
        self.text.push_str(text);
        text.chars().for_each(|letter| self.split(letter));
        self.check()
    }

    /// Adds a text whose spaces are part of the word.
    pub(super) fn push_whole(&mut self, text: &str) -> Result<(), Expansion> {
        self.text.push_str(text);
        self.word.push_str(text);
        self.check()
    }

    fn split(&mut self, letter: char) {
        if !letter.is_whitespace() {
            self.word.push(letter);
        } else if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    const fn check(&self) -> Result<(), Expansion> {
        if self.text.len() > MAX_BYTES {
            return Err(Expansion::TooLong { limit: MAX_BYTES });
        }
        Ok(())
    }

    /// The whole and its words.
    pub(super) fn finish(mut self) -> (String, Vec<String>) {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        (self.text, self.words)
    }
}
