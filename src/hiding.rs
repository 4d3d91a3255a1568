//! Searches texts for secrets, and replaces the secrets.

use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{HeaderMap, HeaderValue};

use crate::url;

/// Texts shorter than this occur in other texts by chance, so that only longer ones of a credential
/// are searched for.
pub(crate) const MIN_LENGTH: usize = 8;

/// How often an escape may be escaped again, as in `%25252F`. It bounds the work at each byte.
const MAX_NESTING: usize = 8;

/// The named references of HTML that escapers write.
const NAMED: [(&[u8], char); 7] = [
    (b"quot", '"'),
    (b"apos", '\''),
    (b"lt", '<'),
    (b"gt", '>'),
    (b"sol", '/'),
    (b"plus", '+'),
    (b"equals", '='),
];

/// Texts to search for. Each character of a secret may be written as itself, percent-encoded (a space
/// as `+`, too), as an escape of JSON (RFC 8259 section 7) or as a character reference of HTML.
#[derive(Default)]
pub(crate) struct Secrets(Vec<Vec<char>>);

impl Secrets {
    pub(crate) fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut all = Self::default();
        for secret in secrets {
            all.add(secret.as_ref());
        }
        all
    }

    /// A secret is text: bytes that are not UTF-8 are never found.
    pub(crate) fn add(&mut self, secret: &[u8]) {
        let text = String::from_utf8_lossy(secret).replace('+', " ");
        let text: Vec<char> = text.chars().collect();
        if !text.is_empty() && !self.0.contains(&text) {
            self.0.push(text);
        }
    }

    /// Returns the text with `stand_in` for each secret, or `None` if no secret is in the text.
    /// Secrets that overlap or touch are replaced together.
    pub(crate) fn hidden(&self, text: &[u8], stand_in: &str) -> Option<Vec<u8>> {
        let mut search = Search::default();
        let (mut shown, mut is_found) = (Vec::new(), false);
        // `rest` is what is still to be copied, `candidates` what is still to be searched.
        let (mut rest, mut candidates) = (text, text);
        let starts = self.starts();
        while let Some(at) = candidates.iter().position(|byte| starts.contains(byte)) {
            let candidate = candidates.get(at..).unwrap_or_default();
            candidates = candidate.get(1..).unwrap_or_default();
            let after = self
                .0
                .iter()
                .filter_map(|secret| search.after(secret, candidate));
            let Some(after) = after.min_by_key(|after| after.len()) else {
                continue;
            };
            let plain = rest.len().saturating_sub(candidate.len());
            if plain > 0 || !is_found {
                shown.extend_from_slice(rest.get(..plain).unwrap_or_default());
                shown.extend_from_slice(stand_in.as_bytes());
            }
            is_found = true;
            if after.len() < rest.len() {
                rest = after;
            }
        }
        if !is_found {
            return None;
        }
        shown.extend_from_slice(rest);
        Some(shown)
    }

    /// Replaces each secret in a response by `[credential]`.
    pub(crate) fn hide_in(&self, headers: &mut HeaderMap, body: &mut Vec<u8>) {
        let hidden = |text: &[u8]| self.hidden(text, "[credential]");
        for value in headers.values_mut() {
            let shown = hidden(value.as_bytes());
            if let Some(shown) = shown.and_then(|shown| HeaderValue::try_from(shown).ok()) {
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

    /// Returns the bytes that a secret can begin with, however it is written.
    fn starts(&self) -> Vec<u8> {
        let mut utf8 = [0; 4];
        let firsts = self.0.iter().filter_map(|secret| secret.first());
        let firsts = firsts.filter_map(|c| c.encode_utf8(&mut utf8).bytes().next());
        firsts.chain(*b"+%\\&").collect()
    }
}

/// The texts that may follow the part of a secret that was found so far. There are several where one
/// character can be read in two ways, such as the `%25` of a secret that has a percent sign.
#[derive(Default)]
struct Search<'a> {
    now: Vec<&'a [u8]>,
    next: Vec<&'a [u8]>,
}

impl<'a> Search<'a> {
    /// Returns what follows the secret, if the text begins with it.
    fn after(&mut self, secret: &[char], mut text: &'a [u8]) -> Option<&'a [u8]> {
        let mut secret = secret.iter();
        // Up to the first escape there is but one way to read the text.
        while !matches!(text, [b'%' | b'\\' | b'&' | b'+', ..]) {
            let Some(c) = secret.next() else {
                return Some(text);
            };
            text = text.strip_prefix(c.encode_utf8(&mut [0; 4]).as_bytes())?;
        }
        let Self { now, next } = self;
        now.clear();
        now.push(text);
        for c in secret {
            next.clear();
            for text in now.drain(..) {
                let add = &mut |rest: &'a [u8]| {
                    if next.iter().all(|known: &&[u8]| known.len() != rest.len()) {
                        next.push(rest);
                    }
                };
                each_spelling(text, *c, add);
                if *c == ' ' {
                    each_spelling(text, '+', add);
                }
            }
            std::mem::swap(now, next);
            if now.is_empty() {
                return None;
            }
        }
        now.iter().copied().min_by_key(|rest| rest.len())
    }
}

/// Passes on what follows each spelling of the character that the text begins with.
fn each_spelling<'a>(text: &'a [u8], c: char, add: &mut impl FnMut(&'a [u8])) {
    let mut utf8 = [0; 4];
    let utf8 = c.encode_utf8(&mut utf8).as_bytes();
    if let Some(rest) = text.strip_prefix(utf8) {
        add(rest);
    }
    match text.first() {
        Some(b'%') => percent(text, utf8, add),
        Some(b'\\') => {
            json(text, c, add);
            utf16(text, c).into_iter().for_each(add);
        }
        Some(b'&') => html(text, c, add).unwrap_or_default(),
        _ => {}
    }
}

/// `%2F`, or `%252F` if that was encoded again.
fn percent<'a>(text: &'a [u8], bytes: &[u8], add: &mut impl FnMut(&'a [u8])) {
    let Some((byte, others)) = bytes.split_first() else {
        return add(text);
    };
    let mut digits = text.strip_prefix(b"%");
    for _ in 0..MAX_NESTING {
        let Some(found) = digits else { return };
        if url::escaped_byte(found) == Some(*byte) {
            percent(found.get(2..).unwrap_or_default(), others, add);
        }
        digits = found.strip_prefix(b"25");
    }
}

/// `\/`, or `\\/` in a string within a string.
fn json<'a>(text: &'a [u8], c: char, add: &mut impl FnMut(&'a [u8])) {
    let mut text = text;
    for _ in 0..MAX_NESTING {
        let Some(escape) = text.strip_prefix(b"\\") else {
            return;
        };
        text = escape;
        let Some((kind, rest)) = escape.split_first() else {
            return;
        };
        let said = match kind {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'"' | b'\'' | b'\\' | b'/' => char::from(*kind),
            _ => continue,
        };
        if said == c {
            add(rest);
        }
    }
}

/// `\u002F`, or `\uD83D\uDD11` for a character beyond 16 bits.
fn utf16(text: &[u8], c: char) -> Option<&[u8]> {
    let mut text = text;
    for unit in c.encode_utf16(&mut [0; 2]) {
        let marks = text.iter().take(MAX_NESTING);
        let marks = marks.take_while(|byte| **byte == b'\\').count();
        let digits = text.get(marks..)?.strip_prefix(b"u")?;
        let bytes = [
            url::escaped_byte(digits)?,
            url::escaped_byte(digits.get(2..)?)?,
        ];
        text = digits.get(4..)?;
        if marks == 0 || u16::from_be_bytes(bytes) != *unit {
            return None;
        }
    }
    Some(text)
}

/// `&#47;`, `&#x2F;` or a name, or `&amp;#47;` if that was escaped again.
fn html<'a>(text: &'a [u8], c: char, add: &mut impl FnMut(&'a [u8])) -> Option<()> {
    let mut reference = text.strip_prefix(b"&")?;
    for _ in 0..MAX_NESTING {
        let Some(rest) = reference.strip_prefix(b"amp;") else {
            break;
        };
        reference = rest;
        if c == '&' {
            add(rest);
        }
    }
    let end = reference.iter().take(12).position(|byte| *byte == b';')?;
    let (name, rest) = reference.split_at_checked(end)?;
    let number = |digits, radix| {
        let digits = std::str::from_utf8(digits).ok()?;
        char::from_u32(u32::from_str_radix(digits, radix).ok()?)
    };
    let said = match name {
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        name => NAMED
            .iter()
            .find(|known| known.0 == name)
            .map(|known| known.1),
    };
    if said == Some(c) {
        add(rest.get(1..)?);
    }
    Some(())
}

#[cfg(test)]
mod tests;
