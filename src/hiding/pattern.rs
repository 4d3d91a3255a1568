//! Finds a pattern in a stream of bytes, in time proportional to the stream (Knuth, Morris and Pratt, 1977).

pub(super) struct Pattern {
    bytes: Vec<u8>,
    /// For each prefix of the pattern, by its length: the length of the longest shorter prefix that it ends with.
    shorter: Vec<usize>,
}

impl Pattern {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut pattern = Self { bytes: bytes.to_owned(), shorter: vec![0, 0] };
        let mut length = 0;
        for byte in bytes.iter().skip(1) {
            length = pattern.after(length, *byte);
            pattern.shorter.push(length);
        }
        pattern
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Searches the next bytes of a stream. `length` is that of the longest prefix that the stream ends with. Calls
    /// `found` with the number of bytes up to the end of each copy.
    pub(super) fn search(
        &self,
        length: &mut usize,
        bytes: impl Iterator<Item = u8>,
        mut found: impl FnMut(usize),
    ) {
        let (first, mut matched) = (self.bytes.first().copied(), *length);
        for (end, byte) in (1..).zip(bytes) {
            // A shortcut for most bytes.
            if matched > 0 || first == Some(byte) {
                matched = self.after(matched, byte);
                if matched == self.len() {
                    found(end);
                }
            }
        }
        *length = matched;
    }

    /// Returns the length of the longest prefix that the stream ends with after a byte.
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
