//! Finding texts that must not be shown, whichever way they are written.

use crate::url;

/// A shorter text is likely to be part of another by chance.
pub(crate) const MIN_LENGTH: usize = 8;

/// How many URLs may be within one another in a text that is searched; each is percent-encoded once
/// more.
const MAX_URLS: usize = 4;
/// How many JSON texts may be strings of one another.
const MAX_JSONS: usize = 2;

/// Texts to look for. Percent-encoding, `+` for a space, and the escapes of JSON strings (RFC 8259
/// section 7) count as the characters that they stand for.
///
/// A search reads the text once for each secret and each way to decode it, however often and however
/// nearly they occur.
#[derive(Default)]
pub(crate) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    pub(crate) fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut all = Self::default();
        for secret in secrets {
            all.add(secret.as_ref());
        }
        all
    }

    pub(crate) fn add(&mut self, secret: &[u8]) {
        let text: Vec<u8> = secret.iter().map(|byte| spaced(*byte)).collect();
        if !text.is_empty() && !self.0.contains(&text) {
            self.0.push(text);
        }
    }

    /// The text with `stand_in` for each secret; `None` if it holds none.
    pub(crate) fn hidden(&self, text: &[u8], stand_in: &str) -> Option<Vec<u8>> {
        let marks = self.find(text, MAX_URLS, MAX_JSONS)?;
        let mut shown = Vec::with_capacity(text.len());
        let mut is_within = false;
        for (byte, is_secret) in text.iter().zip(marks) {
            match (is_within, is_secret) {
                (_, false) => shown.push(*byte),
                (false, true) => shown.extend_from_slice(stand_in.as_bytes()),
                (true, true) => {}
            }
            is_within = is_secret;
        }
        Some(shown)
    }

    /// Whether any of them is in a part of a URL, or in one of up to `urls` URLs within it.
    pub(crate) fn are_within(&self, part: &str, urls: usize) -> bool {
        self.find(part.as_bytes(), urls, 0).is_some()
    }

    /// Which bytes of the text are theirs; `None` if none is. Encoders of JSON leave percent-encoding as
    /// it is, so that what is encoded as both hardly needs to be decoded in both orders.
    fn find(&self, text: &[u8], urls: usize, jsons: usize) -> Option<Vec<bool>> {
        let mut marks = vec![false; text.len()];
        for secret in &self.0 {
            mark(secret, text, &mut marks);
        }
        let json = jsons.checked_sub(1).map(|jsons| (JSON, urls.min(1), jsons));
        let percent = urls.checked_sub(1).map(|urls| (PERCENT, urls, jsons));
        for (encoding, urls, jsons) in [json, percent].into_iter().flatten() {
            if let Some(decoded) = Decoded::new(text, encoding)
                && let Some(within) = self.find(&decoded.text, urls, jsons)
            {
                decoded.mark(&within, &mut marks);
            }
        }
        marks.contains(&true).then_some(marks)
    }
}

/// A plus may stand for a space or for itself.
fn spaced(byte: u8) -> u8 {
    if byte == b'+' { b' ' } else { byte }
}

/// As Knuth, Morris and Pratt search, without ever going back in the text: for each beginning of the
/// secret, `borders` has the length of the longest shorter one that it ends with.
fn mark(secret: &[u8], text: &[u8], marks: &mut [bool]) {
    let advance = |borders: &[usize], mut length: usize, byte: u8| {
        while secret.get(length) != Some(&byte) {
            match length.checked_sub(1) {
                Some(last) => length = borders.get(last).copied().unwrap_or_default(),
                None => return 0,
            }
        }
        length.saturating_add(1)
    };
    let (mut borders, mut length) = (vec![0], 0);
    for byte in secret.iter().skip(1) {
        length = advance(&borders, length, *byte);
        borders.push(length);
    }
    let mut marked = 0;
    length = 0;
    for (last, byte) in text.iter().map(|byte| spaced(*byte)).enumerate() {
        // Most bytes begin nothing.
        if length == 0 && secret.first() != Some(&byte) {
            continue;
        }
        length = advance(&borders, length, byte);
        if length == secret.len() {
            let end = last.saturating_add(1);
            let start = end.saturating_sub(length).max(marked);
            marks.get_mut(start..end).unwrap_or_default().fill(true);
            marked = end;
        }
    }
}

/// What escapes begin with, and how one is read: what it stands for is added to the bytes. Returns how
/// long it is.
type Encoding = (u8, fn(&[u8], &mut Vec<u8>) -> Option<usize>);

const PERCENT: Encoding = (b'%', |escape, decoded| {
    decoded.push(url::escaped_byte(escape.get(1..)?)?);
    Some(3)
});

const JSON: Encoding = (b'\\', |escape, decoded| {
    let byte = match *escape.get(1)? {
        b'u' => {
            // One unit, or the two of a surrogate pair.
            let units = escape.chunks(6).map_while(code_unit);
            let read = char::decode_utf16(units).next()?.ok()?;
            decoded.extend_from_slice(read.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(read.len_utf16().saturating_mul(6));
        }
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        kind @ (b'"' | b'\\' | b'/') => kind,
        _ => return None,
    };
    decoded.push(byte);
    Some(2)
});

/// `\uXXXX`.
fn code_unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?;
    let low = url::escaped_byte(digits.get(2..)?)?;
    Some(u16::from_be_bytes([url::escaped_byte(digits)?, low]))
}

/// What a text says, and for each escape in it, where it ends here and there.
struct Decoded {
    text: Vec<u8>,
    ends: Vec<(usize, usize)>,
}

impl Decoded {
    /// `None` for a text without an escape.
    fn new(encoded: &[u8], (mark, read): Encoding) -> Option<Self> {
        let (mut text, mut ends) = (Vec::new(), Vec::new());
        let mut rest = encoded;
        while let Some(at) = rest.iter().position(|byte| *byte == mark) {
            let (plain, escape) = rest.split_at_checked(at)?;
            text.extend_from_slice(plain);
            let length = read(escape, &mut text);
            rest = escape.get(length.unwrap_or(1)..)?;
            match length {
                Some(_) => ends.push((text.len(), encoded.len().saturating_sub(rest.len()))),
                None => text.push(mark),
            }
        }
        text.extend_from_slice(rest);
        (!ends.is_empty()).then_some(Self { text, ends })
    }

    /// Marks in the encoded text what is marked `within` this one.
    fn mark(&self, within: &[bool], marks: &mut [bool]) {
        let (mut here, mut there) = (0, 0);
        let last = (within.len(), marks.len());
        for (end, encoded_end) in self.ends.iter().copied().chain([last]) {
            // Plain bytes, and the escape, which is longer than what it stands for.
            let within = within.get(here..end).unwrap_or_default();
            let marks = marks.get_mut(there..encoded_end).unwrap_or_default();
            for (at, mark) in marks.iter_mut().enumerate() {
                *mark |= within.get(at).or(within.last()) == Some(&true);
            }
            (here, there) = (end, encoded_end);
        }
    }
}

#[cfg(test)]
mod tests;
