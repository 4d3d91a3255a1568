//! Finds secrets in texts, and replaces them.

use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{HeaderMap, HeaderValue};

use crate::url;

/// The shortest credential that is searched for, in bytes. Shorter texts occur by chance.
const MIN_LENGTH: usize = 8;

/// The most backslashes that are read before one character. JSON within a JSON string has three, and one more
/// level of strings has seven. The limit bounds the time for a body full of backslashes.
const MAX_BACKSLASHES: usize = 7;

/// The length of the longest HTML reference, `&#x0010FFFF;`, without the `&`.
const MAX_REFERENCE: usize = 11;

/// Secrets to search for. Each character of a secret may be written as itself, percent-encoded, as a JSON
/// escape (RFC 8259 section 7) or as an HTML character reference. A space may be written as `+`.
#[derive(Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let texts = secrets.into_iter().map(|secret| lossy(secret.as_ref()));
        Self(texts.filter(|text| !text.is_empty()).collect())
    }

    /// Adds a text of a credential, unless the text is shorter than 8 bytes.
    pub(crate) fn add_credential(&mut self, text: &[u8]) {
        let text = lossy(text);
        if text.len() >= MIN_LENGTH && !self.0.contains(&text) {
            self.0.push(text);
        }
    }

    /// Returns the text with `stand_in` in place of each secret, or `None` if the text contains no secret.
    /// Secrets that overlap or are adjacent are replaced together.
    pub(crate) fn hidden(&self, text: &[u8], stand_in: &str) -> Option<Vec<u8>> {
        let firsts = self.0.iter().filter_map(|secret| secret.bytes().next());
        let firsts: Vec<u8> = firsts.chain(*b"%\\&+").collect();
        let mut shown: Option<Vec<u8>> = None;
        let mut end_of_secret = 0;
        for (at, byte) in text.iter().enumerate() {
            let begins = text.get(at..).filter(|_| firsts.contains(byte));
            if let Some(length) = begins.and_then(|text| self.length_at(text)) {
                let shown = shown.get_or_insert_with(|| text.iter().take(at).copied().collect());
                if end_of_secret == 0 || end_of_secret < at {
                    shown.extend_from_slice(stand_in.as_bytes());
                }
                end_of_secret = end_of_secret.max(at.saturating_add(length));
            }
            if at >= end_of_secret
                && let Some(shown) = &mut shown
            {
                shown.push(*byte);
            }
        }
        shown
    }

    /// Returns the length of the longest secret at the beginning of the text.
    fn length_at(&self, text: &[u8]) -> Option<usize> {
        let rests = self.0.iter().filter_map(|secret| after(secret, text));
        let lengths = rests.map(|rest| text.len().saturating_sub(rest.len()));
        lengths.max()
    }

    /// Replaces each secret in a response with `[credential]`, and corrects the `Content-Length`.
    pub(crate) fn hide_in(&self, headers: &mut HeaderMap, body: &mut Vec<u8>) {
        let hidden = |text: &[u8]| self.hidden(text, "[credential]");
        for value in headers.values_mut() {
            if let Some(Ok(shown)) = hidden(value.as_bytes()).map(HeaderValue::try_from) {
                *value = shown;
            }
        }
        if let Some(shown) = hidden(body) {
            *body = shown;
            if let Some(length) = headers.get_mut(CONTENT_LENGTH) {
                *length = body.len().into();
            }
        }
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Returns the rest of a text that begins with the secret. Also compares the secret as it is, because a
/// secret such as `a%41` looks escaped.
fn after<'a>(secret: &str, text: &'a [u8]) -> Option<&'a [u8]> {
    let plain = text.strip_prefix(secret.as_bytes());
    let escaped = secret.chars().try_fold(text, after_char);
    let ends = plain.into_iter().chain(escaped);
    ends.min_by_key(|end| end.len())
}

/// Returns the rest of a text that begins with the character, escaped or not.
fn after_char(text: &[u8], c: char) -> Option<&[u8]> {
    let escaped = match text.first()? {
        b'%' => after_percent(text, c),
        b'\\' => after_json(text, c).or_else(|| after_reference(text, c)),
        b'&' => after_reference(text, c),
        b'+' if c == ' ' => text.get(1..),
        _ => None,
    };
    escaped.or_else(|| text.strip_prefix(c.encode_utf8(&mut [0; 4]).as_bytes()))
}

/// Reads `%2F`, or `%252F` if the percent sign was encoded again.
fn after_percent(mut text: &[u8], c: char) -> Option<&[u8]> {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        text = text.strip_prefix(b"%")?;
        while let Some(digits) = text.strip_prefix(b"25").filter(|_| byte != b'%') {
            text = digits;
        }
        let is_same = url::escaped_byte(text) == Some(byte);
        text = text.get(2..).filter(|_| is_same)?;
    }
    Some(text)
}

/// Reads `\/`, or `\\/` in JSON within a JSON string.
fn after_json(text: &[u8], c: char) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"\\\\").filter(|_| c == '\\') {
        return Some(rest);
    }
    let (kind, rest) = without_backslashes(text)?.split_first()?;
    let said = match kind {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return after_utf16(text, c),
        other => char::from(*other),
    };
    Some(rest).filter(|_| said == c && c.is_ascii())
}

/// Reads `\u002F`, or `\uD83D\uDD11` for a character beyond 16 bits.
fn after_utf16(mut text: &[u8], c: char) -> Option<&[u8]> {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let escape = without_backslashes(text)?.strip_prefix(b"u")?;
        let (digits, rest) = escape.split_at_checked(4)?;
        text = Some(rest).filter(|_| number(digits, 16) == Some(u32::from(*unit)))?;
    }
    Some(text)
}

/// Returns the text after its leading backslashes, of which it skips at most seven. Returns `None` if there are none.
fn without_backslashes(text: &[u8]) -> Option<&[u8]> {
    let marks = text.iter().take(MAX_BACKSLASHES);
    let marks = marks.take_while(|byte| **byte == b'\\').count();
    text.get(marks..).filter(|_| marks > 0)
}

/// Reads `&#47;`, `&#x2F;` or a named reference. Also reads `&amp;#47;` and `\u0026#47;`, in which the ampersand is
/// escaped again.
fn after_reference(text: &[u8], c: char) -> Option<&[u8]> {
    let plain = text.strip_prefix(b"&");
    let mut text = plain.or_else(|| after_json(text, '&'))?;
    while let Some(again) = text.strip_prefix(b"amp;").filter(|_| c != '&') {
        text = again;
    }
    let mut reference = text.iter().take(MAX_REFERENCE);
    let end = reference.position(|byte| *byte == b';')?;
    let (name, rest) = text.split_at_checked(end)?;
    let said = match name {
        b"amp" => u32::from('&'),
        b"quot" => u32::from('"'),
        b"apos" => u32::from('\''),
        b"lt" => u32::from('<'),
        b"gt" => u32::from('>'),
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16)?,
        [b'#', digits @ ..] => number(digits, 10)?,
        _ => return None,
    };
    rest.get(1..).filter(|_| said == u32::from(c))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests;
