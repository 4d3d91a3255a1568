//! Finds a pattern in a stream of bytes, in time proportional to the stream (Knuth, Morris and Pratt, 1977).

use std::collections::VecDeque;

/// The mark of a byte that belongs to no secret.
pub(super) const OTHER: u8 = 0;
/// The mark of a secret's first byte, which the stand-in replaces.
pub(super) const FIRST: u8 = 1;
/// The mark of a secret's other bytes, which are omitted.
const FURTHER: u8 = 2;

pub(super) struct Pattern {
    bytes: Vec<u8>,
    /// For each prefix of the pattern, by its length: the length of the longest shorter prefix that it ends with.
    shorter: Vec<usize>,
}

impl Pattern {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut pattern = Self {
            bytes: bytes.to_owned(),
            shorter: vec![0, 0],
        };
        let mut length = 0;
        for byte in bytes.iter().skip(1) {
            length = pattern.after(length, *byte);
            pattern.shorter.push(length);
        }
        pattern
    }

    /// Returns the length of the longest prefix that a stream ends with after a byte. `length` is the prefix's length
    /// before the byte.
    fn after(&self, mut length: usize, byte: u8) -> usize {
        while self.bytes.get(length) != Some(&byte) {
            if length == 0 {
                return 0;
            }
            length = self.shorter.get(length).copied().unwrap_or_default();
        }
        length.saturating_add(1)
    }
}

/// A search for one pattern.
pub(super) struct Search<'p> {
    pattern: &'p Pattern,
    /// The longest prefix of the pattern that the stream ends with: for each of its bytes, the start of the byte's
    /// spelling in the text.
    prefix: VecDeque<usize>,
    /// The end of the last copy that was found.
    end: usize,
}

impl<'p> Search<'p> {
    pub(super) fn new(pattern: &'p Pattern) -> Self {
        Self {
            pattern,
            prefix: VecDeque::new(),
            end: 0,
        }
    }

    /// Searches the next bytes of the stream, and marks the spelling of each copy. The spelling of a byte extends from
    /// its edge in the text to the next edge.
    pub(super) fn read(&mut self, bytes: &[u8], edges: &[usize], marks: &mut [u8]) {
        let first = self.pattern.bytes.first();
        let ends = edges.iter().skip(1);
        for ((byte, start), end) in bytes.iter().zip(edges).zip(ends) {
            // A shortcut for most bytes.
            if self.prefix.is_empty() && first != Some(byte) {
                continue;
            }
            let length = self.pattern.after(self.prefix.len(), *byte);
            self.prefix.push_back(*start);
            while self.prefix.len() > length {
                self.prefix.pop_front();
            }
            if length < self.pattern.bytes.len() {
                continue;
            }
            // Copies can overlap. Only the bytes after the last copy need marks.
            let start = self.prefix.front().copied().unwrap_or_default();
            let new = start.max(self.end);
            for (at, mark) in marks.iter_mut().enumerate().take(*end).skip(new) {
                *mark = (*mark).max(if at == start { FIRST } else { FURTHER });
            }
            self.end = *end;
        }
    }
}
