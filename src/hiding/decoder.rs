//! Decodes the escapes of URLs, JSON and HTML, however they are nested, and remembers where each byte comes from.
//!
//! Whenever the decoded bytes end with a complete escape, the escape is replaced by its character, which may complete
//! another escape. Text that was escaped several times, in any order, therefore becomes the same bytes as the original.
//! Backslashes are dropped, because each level of JSON adds more of them: `\n`, `\\n` and a line break all become `n`.

/// The number of bytes of the text that are decoded at a time.
pub(super) const BLOCK: usize = 16 * 1024;

/// The number of decoded bytes that an escape can take: the 10 of `&#x10FFFF;`, and two zeros before its number.
const LONGEST: usize = 12;

/// The number of decoded bytes that can still change when more text is read. More than `LONGEST`, because characters of
/// an escape may be escaped themselves.
const OPEN: usize = 64;

/// The named characters of HTML that encoders use.
const NAMES: [(&[u8], char); 5] = [
    (b"amp", '&'),
    (b"lt", '<'),
    (b"gt", '>'),
    (b"quot", '"'),
    (b"apos", '\''),
];

/// Returns the byte that a byte without an escape stands for. Form encoding writes a space as `+`, and JSON has short
/// escapes for controls.
#[inline]
pub(super) fn plain(byte: u8) -> u8 {
    match byte {
        b' ' => b'+',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        8 => b'b',
        12 => b'f',
        other => other,
    }
}

/// Returns how many decoded bytes to watch from a byte that may begin an escape, or 0 if no escape begins with it. `0xC2`
/// and `0xC3` begin the UTF-8 of a Latin-1 character. A backslash is watched further if a `u` follows.
#[inline]
fn reach(byte: u8) -> usize {
    match byte {
        b'\\' => 1,
        b'%' => 3,
        b'&' => LONGEST,
        0xC2 | 0xC3 => 2,
        _ => 0,
    }
}

/// Decodes a whole text.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut decoder, mut whole) = (Decoder::new(text), Vec::new());
    while let Some((bytes, _)) = decoder.next_block() {
        whole.extend_from_slice(bytes);
    }
    whole
}

/// Decodes a text block by block.
#[derive(Default)]
pub(super) struct Decoder<'t> {
    text: &'t [u8],
    /// False if escapes stay as they are.
    decodes: bool,
    /// The number of bytes of the text that have been read.
    read: usize,
    /// The decoded bytes of the last block, followed by the decoded bytes that can still change.
    bytes: Vec<u8>,
    /// For each decoded byte, the start of its spelling in the text, and then the end of the last spelling. A backslash
    /// belongs to the byte after it.
    edges: Vec<usize>,
    /// The number of bytes in the last block.
    block: usize,
    /// True after a backslash.
    is_escaped: bool,
    /// The index in `bytes` of the last `u` after a backslash.
    unicode: Option<usize>,
    /// The number of decoded bytes up to which an escape may be complete.
    watch: usize,
}

impl<'t> Decoder<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            decodes: true,
            edges: vec![0],
            ..Self::default()
        }
    }

    /// Returns a decoder that leaves escapes as they are.
    pub(super) fn verbatim(text: &'t [u8]) -> Self {
        Self {
            decodes: false,
            ..Self::new(text)
        }
    }

    /// Decodes the next block. Returns the bytes that can no longer change, and their edges: one edge more than there
    /// are bytes.
    pub(super) fn next_block(&mut self) -> Option<(&[u8], &[usize])> {
        let last = std::mem::take(&mut self.block);
        self.bytes.drain(..last);
        self.edges.drain(..last);
        self.watch = self.watch.saturating_sub(last);
        self.unicode = self.unicode.and_then(|index| index.checked_sub(last));
        if self.read >= self.text.len() {
            return None;
        }
        let end = self.text.len().min(self.read.saturating_add(BLOCK));
        while self.read < end {
            self.read_until(end);
        }
        let open = if self.read < self.text.len() { OPEN } else { 0 };
        self.block = self.bytes.len().saturating_sub(open);
        Some((
            self.bytes.get(..self.block)?,
            self.edges.get(..=self.block)?,
        ))
    }

    /// Reads the bytes before the next escape, up to `end`. If an escape may begin here, reads its first byte, or all of
    /// `%XX`.
    fn read_until(&mut self, end: usize) {
        if self.bytes.len() >= self.watch && !self.is_escaped {
            let near = self.text.get(self.read..end).unwrap_or_default();
            let run = near
                .iter()
                .position(|byte| self.decodes && reach(*byte) > 0);
            let (run, _) = near.split_at(run.unwrap_or(near.len()));
            if !run.is_empty() {
                let edges = self.read..self.read.saturating_add(run.len());
                self.read = edges.end;
                self.bytes.extend(run.iter().map(|byte| plain(*byte)));
                self.edges.extend(edges.map(|edge| edge.saturating_add(1)));
                return;
            }
        }
        self.read_byte();
    }

    /// Reads a byte of the text, and decodes the escapes that it completes.
    fn read_byte(&mut self) {
        let (byte, length) = match self.text.get(self.read..).unwrap_or_default() {
            // A shortcut for the most frequent escape.
            [b'%', high, low, ..] => percent(*high, *low).map_or((b'%', 1), |byte| (byte, 3)),
            [byte, ..] => (*byte, 1),
            [] => return,
        };
        self.read = self.read.saturating_add(length);
        let mut escape = self.push(byte);
        while let Some((length, code)) = escape {
            let start = self.bytes.len().saturating_sub(length);
            self.bytes.truncate(start);
            self.edges.truncate(start.saturating_add(1));
            self.unicode = self.unicode.filter(|index| *index < start);
            escape = match (u8::try_from(code), char::from_u32(code)) {
                // A character of Latin-1 becomes one byte, as in a Latin-1 copy.
                (Ok(byte), _) => self.push(byte),
                (_, Some(character)) => character
                    .encode_utf8(&mut [0; 4])
                    .bytes()
                    .find_map(|byte| self.push(byte)),
                _ => surrogate(code).into_iter().find_map(|byte| self.push(byte)),
            };
        }
    }

    /// Adds a decoded byte, which is spelled by the text from the last edge on. Returns the length and the character of
    /// the escape that the byte completes.
    fn push(&mut self, byte: u8) -> Option<(usize, u32)> {
        let is_escaped = std::mem::replace(&mut self.is_escaped, byte == b'\\');
        if self.is_escaped {
            return None;
        }
        let index = self.bytes.len();
        let mut reach = reach(byte);
        if is_escaped && byte == b'u' {
            (self.unicode, reach) = (Some(index), 5);
        }
        self.watch = self.watch.max(index.saturating_add(reach));
        self.bytes.push(plain(byte));
        self.edges.push(self.read);
        if !matches!(byte, b'0'..=b'9' | b'A'..=b'F' | b'a'..=b'f' | b';' | 0x80..0xC0) {
            return None;
        }
        match self.bytes.as_slice() {
            [.., b';'] => reference(&self.bytes),
            [.., lead @ (0xC2 | 0xC3), low @ 0x80..0xC0] => {
                Some((2, u32::from(low | (lead & 1) << 6)))
            }
            [.., b'%', high, low] => Some((3, percent(*high, *low)?.into())),
            _ => self.unicode_escape(),
        }
    }

    /// Returns the length and the character of the `\u` escape that the decoded bytes end with.
    fn unicode_escape(&self) -> Option<(usize, u32)> {
        let unicode = self.unicode?;
        let (rest, [_, digits @ ..]) = self.bytes.split_last_chunk::<5>()?;
        if unicode != rest.len() {
            return None;
        }
        match (rest, number(digits, 16)?) {
            ([.., 0xED, high @ 0xA0..0xB0, next], low @ 0xDC00..0xE000) => {
                let high = u32::from(high & 0x0F) << 6 | u32::from(next & 0x3F);
                let code = (high << 10 | low & 0x3FF).checked_add(0x1_0000)?;
                Some((8, code))
            }
            (_, unit) => Some((5, unit)),
        }
    }
}

/// Returns the byte that two hexadecimal digits write.
fn percent(high: u8, low: u8) -> Option<u8> {
    u8::try_from(number(&[high, low], 16)?).ok()
}

/// Returns the bytes that stand for a surrogate. JSON escapes a character beyond U+FFFF as two surrogates.
fn surrogate(code: u32) -> [u8; 3] {
    let low = |code: u32| 0x80 | u8::try_from(code & 0x3F).unwrap_or_default();
    [0xED, low(code >> 6), low(code)]
}

/// Returns the length and the character of the character reference that the bytes end with.
fn reference(bytes: &[u8]) -> Option<(usize, u32)> {
    let near = bytes.get(bytes.len().saturating_sub(LONGEST)..)?;
    let start = near.iter().rposition(|byte| *byte == b'&')?;
    let whole = near.get(start..)?;
    let code = match whole {
        [b'&', b'#', b'x' | b'X', digits @ .., b';'] => number(digits, 16)?,
        [b'&', b'#', digits @ .., b';'] => number(digits, 10)?,
        [b'&', name @ .., b';'] => NAMES.iter().find(|(own, _)| *own == name)?.1.into(),
        _ => return None,
    };
    (code <= 0x10_FFFF).then_some((whole.len(), code))
}

/// Returns the number that digits write.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let append = |number: u32, digit: &u8| {
        let digit = char::from(*digit).to_digit(radix)?;
        number.checked_mul(radix)?.checked_add(digit)
    };
    digits
        .iter()
        .try_fold(0, append)
        .filter(|_| !digits.is_empty())
}
