//! Decodes the escapes of URLs, JSON and HTML, however they are nested, and remembers where each byte comes from.
//!
//! Whenever the decoded bytes end with a complete escape, the escape is replaced by its character, which may complete
//! another escape. Text that was escaped several times, in any order, therefore becomes the same bytes as the original.
//! Backslashes are dropped, because each level of JSON adds more of them: `\n`, `\\n` and a line break all become `n`.

/// The number of decoded bytes that an escape can take: the 10 of `&#x10FFFF;`, and two zeros before its number.
const LONGEST: usize = 12;

/// The number of bytes that can still change when more text is read. More than `LONGEST`, because characters of an
/// escape may be escaped themselves.
const OPEN: usize = 64;

/// The named characters of HTML that encoders use.
const NAMES: [(&[u8], u8); 5] =
    [(b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"quot", b'"'), (b"apos", b'\'')];

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

/// Returns the number of decoded bytes that the escape after such a byte can take, including the byte, or 0 if the
/// byte begins no escape. The last two begin the UTF-8 of a character of Latin-1.
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

pub(super) struct Decoder<'t> {
    text: &'t [u8],
    /// The number of bytes of the text that have been read.
    pub(super) read: usize,
    /// The decoded bytes that have not been dropped.
    pub(super) bytes: Vec<u8>,
    /// For each decoded byte, the start of its spelling in the text. The spelling ends where that of the next byte
    /// starts. A backslash belongs to the byte after it.
    starts: Vec<usize>,
    /// The end of the last byte's spelling.
    end: usize,
    /// The number of bytes of the text up to the end of the last escape or backslash.
    pub(super) changed: usize,
    /// True after a backslash.
    is_escaped: bool,
    /// The number of bytes at which the digits of `\u` are complete.
    unicode_end: usize,
    /// The number of bytes up to which an escape may be complete.
    watch: usize,
    /// The number of bytes that can no longer change.
    fixed: usize,
}

/// Decodes a whole text.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(text);
    decoder.read_up_to(usize::MAX);
    decoder.bytes
}

impl<'t> Decoder<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            read: 0,
            bytes: Vec::new(),
            starts: Vec::new(),
            end: 0,
            changed: 0,
            is_escaped: false,
            unicode_end: 0,
            watch: 0,
            fixed: 0,
        }
    }

    /// Reads until there are that many decoded bytes, or until the text ends. Returns the number of bytes that can no
    /// longer change.
    pub(super) fn read_up_to(&mut self, count: usize) -> usize {
        while let Some(room) = count.checked_sub(self.bytes.len()).filter(|room| *room > 0) {
            let rest = self.text.get(self.read..).unwrap_or_default();
            if self.bytes.len() >= self.watch {
                let near = rest.get(..room).unwrap_or(rest);
                let run = near.iter().position(|byte| reach(*byte) > 0);
                let (run, _) = near.split_at(run.unwrap_or(near.len()));
                if !run.is_empty() {
                    let end = self.read.saturating_add(run.len());
                    self.starts.extend(self.read..end);
                    self.bytes.extend(run.iter().map(|byte| plain(*byte)));
                    (self.read, self.end) = (end, end);
                    continue;
                }
            }
            let (byte, length) = match rest {
                [] => break,
                // A shortcut for the most frequent escape.
                [b'%', high, low, ..] => match number(&[*high, *low], 16).map(u8::try_from) {
                    Some(Ok(byte)) => (byte, 3),
                    _ => (b'%', 1),
                },
                [byte, ..] => (*byte, 1),
            };
            self.read = self.read.saturating_add(length);
            if length > 1 {
                self.changed = self.read;
            }
            self.push(byte);
        }
        if self.read < self.text.len() {
            self.fixed = self.bytes.len().saturating_sub(OPEN).max(self.fixed);
        } else {
            self.fixed = self.bytes.len();
        }
        self.fixed
    }

    /// Drops the oldest bytes. No more than those that can no longer change may be dropped.
    pub(super) fn drop(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.starts.drain(..count);
        for index in [&mut self.fixed, &mut self.watch, &mut self.unicode_end] {
            *index = index.saturating_sub(count);
        }
    }

    /// Returns where the spelling of a byte starts in the text. For the byte after the last one, returns where the last
    /// spelling ends.
    pub(super) fn start(&self, index: usize) -> usize {
        self.starts.get(index).copied().unwrap_or(self.end)
    }

    /// Adds a byte, and decodes the escapes that it completes.
    fn push(&mut self, mut byte: u8) {
        let mut start = self.end;
        let mut is_escaped = std::mem::take(&mut self.is_escaped);
        loop {
            self.watch_for(reach(byte));
            if byte == b'\\' {
                (self.end, self.is_escaped, self.changed) = (start, true, self.read);
                return;
            }
            self.bytes.push(plain(byte));
            self.starts.push(start);
            if is_escaped && byte == b'u' {
                self.watch_for(4);
                self.unicode_end = self.bytes.len().saturating_add(4);
            }
            is_escaped = false;
            let Some((length, code)) = self.escape(byte) else {
                break;
            };
            self.changed = self.read;
            let from = self.bytes.len().saturating_sub(length);
            start = self.start(from);
            self.bytes.truncate(from);
            self.starts.truncate(from);
            if self.unicode_end > from.saturating_add(4) {
                self.unicode_end = 0;
            }
            let Ok(latin) = u8::try_from(code) else {
                self.push_character(code, start);
                break;
            };
            byte = latin;
        }
        self.end = self.read;
    }

    fn watch_for(&mut self, count: usize) {
        self.watch = self.watch.max(self.bytes.len().saturating_add(count));
    }

    /// Adds the UTF-8 of a character, or of a surrogate, which is not a character yet.
    fn push_character(&mut self, code: u32, start: usize) {
        let low = |shift: u32| u8::try_from(code >> shift & 0x3F).unwrap_or_default() | 0x80;
        let lead = |shift: u32, mark: u8| u8::try_from(code >> shift).unwrap_or_default() | mark;
        let utf8 = match code {
            ..0x800 => [lead(6, 0xC0), low(0), 0, 0],
            0x800..0x1_0000 => [lead(12, 0xE0), low(6), low(0), 0],
            _ => [lead(18, 0xF0), low(12), low(6), low(0)],
        };
        self.bytes.extend(utf8.iter().filter(|byte| **byte != 0));
        self.starts.push(start);
        self.starts.resize(self.bytes.len(), self.read);
    }

    /// Returns the length of the escape that the last byte completes, and its character.
    fn escape(&self, last: u8) -> Option<(usize, u32)> {
        if !matches!(last, b'0'..=b'9' | b'A'..=b'F' | b'a'..=b'f' | b';' | 0x80..0xC0) {
            return None;
        }
        let open = self.bytes.get(self.fixed..)?;
        match open {
            [.., b';'] => reference(open),
            // A character of Latin-1 in UTF-8 is one byte here, as in a copy in Latin-1.
            [.., lead @ (0xC2 | 0xC3), low @ 0x80..0xC0] => {
                Some((2, u32::from(*low) | u32::from(*lead & 1) << 6))
            }
            [.., b'%', high, low] => Some((3, number(&[*high, *low], 16)?)),
            [.., b'u', a, b, c, d] if self.unicode_end == self.bytes.len() => {
                unicode(open, number(&[*a, *b, *c, *d], 16)?)
            }
            _ => None,
        }
    }
}

/// Returns the length of the `\u` escape that the bytes end with, and its character. JSON escapes a character beyond
/// U+FFFF as two surrogates.
fn unicode(bytes: &[u8], unit: u32) -> Option<(usize, u32)> {
    match (bytes, unit) {
        ([.., 0xED, high @ 0xA0..0xB0, next, b'u', _, _, _, _], 0xDC00..0xE000) => {
            let high = u32::from(high & 0x0F) << 6 | u32::from(next & 0x3F);
            let code = (high << 10 | unit & 0x3FF).checked_add(0x1_0000)?;
            Some((8, code))
        }
        _ => Some((5, unit)),
    }
}

/// Returns the length and the character of the character reference that the bytes end with.
fn reference(bytes: &[u8]) -> Option<(usize, u32)> {
    let near = bytes.len().saturating_sub(LONGEST);
    let near = bytes.get(near..)?;
    let start = near.iter().rposition(|byte| *byte == b'&')?;
    let whole = near.get(start..)?;
    let code = match whole {
        [b'&', b'#', b'x' | b'X', digits @ .., b';'] => number(digits, 16)?,
        [b'&', b'#', digits @ .., b';'] => number(digits, 10)?,
        [b'&', name @ .., b';'] => {
            let known = NAMES.iter().find(|(own, _)| *own == name);
            u32::from(known?.1)
        }
        _ => return None,
    };
    (code <= 0x10_FFFF).then_some((whole.len(), code))
}

/// Returns the number that digits write.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let mut number: u32 = 0;
    for digit in digits {
        let digit = char::from(*digit).to_digit(radix)?;
        number = number.checked_mul(radix)?.checked_add(digit)?;
    }
    (!digits.is_empty()).then_some(number)
}
