//! Finding texts that must not be shown, whichever way they are written.

use std::collections::BTreeSet;
use std::ops::Range;

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
pub(crate) struct Secrets(Vec<Secret>);

impl Secrets {
    pub(crate) fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let texts = secrets.into_iter().map(|text| text.as_ref().to_vec());
        let texts: BTreeSet<_> = texts.filter(|text| !text.is_empty()).collect();
        Self(texts.iter().map(|text| Secret::new(text)).collect())
    }

    /// The text with `stand_in` for each secret; `None` if it holds none.
    pub(crate) fn hidden(&self, text: &[u8], stand_in: &str) -> Option<Vec<u8>> {
        let found = self.find(text, MAX_URLS, MAX_JSONS);
        if found.is_empty() {
            return None;
        }
        let mut shown = Vec::with_capacity(text.len());
        let mut end = 0;
        for span in &found {
            shown.extend_from_slice(text.get(end..span.start)?);
            shown.extend_from_slice(stand_in.as_bytes());
            end = span.end;
        }
        shown.extend_from_slice(text.get(end..)?);
        Some(shown)
    }

    /// Whether any of them is in a part of a URL, or in one of up to `urls` URLs within it.
    pub(crate) fn are_within(&self, part: &str, urls: usize) -> bool {
        !self.find(part.as_bytes(), urls, 0).is_empty()
    }

    /// Where they are: in order, and apart from one another. Encoders of JSON leave percent-encoding as
    /// it is, so that what is encoded as both hardly needs to be decoded in both orders.
    fn find(&self, text: &[u8], urls: usize, jsons: usize) -> Vec<Range<usize>> {
        let mut found: Vec<_> = self.0.iter().flat_map(|secret| secret.find(text)).collect();
        if let Some(decoded) = (jsons > 0).then(|| decoded(text, JSON)).flatten() {
            let within = self.find(&decoded, urls.min(1), jsons.saturating_sub(1));
            outward(text, JSON, within, &mut found);
        }
        if let Some(decoded) = (urls > 0).then(|| decoded(text, PERCENT)).flatten() {
            let within = self.find(&decoded, urls.saturating_sub(1), jsons);
            outward(text, PERCENT, within, &mut found);
        }
        found.sort_unstable_by_key(|span| span.start);
        found.into_iter().fold(Vec::new(), |mut apart, span| {
            push(&mut apart, span);
            apart
        })
    }
}

/// Adds a span that does not begin before the last one; those that touch become one.
fn push(spans: &mut Vec<Range<usize>>, span: Range<usize>) {
    match spans.last_mut() {
        Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
        _ => spans.push(span),
    }
}

/// A plus may stand for a space or for itself.
fn spaced(byte: u8) -> u8 {
    if byte == b'+' { b' ' } else { byte }
}

/// A text with its borders, by which Knuth, Morris and Pratt find it without ever going back.
struct Secret {
    bytes: Vec<u8>,
    /// For each beginning, the length of the longest shorter one that it ends with.
    borders: Vec<usize>,
}

impl Secret {
    fn new(text: &[u8]) -> Self {
        let mut secret = Self {
            bytes: text.iter().map(|byte| spaced(*byte)).collect(),
            borders: vec![0],
        };
        let mut matched = 0;
        for byte in text.iter().skip(1) {
            matched = secret.matched(matched, spaced(*byte));
            secret.borders.push(matched);
        }
        secret
    }

    /// How much of this text has been read, one byte after so much of it was.
    fn matched(&self, mut before: usize, byte: u8) -> usize {
        while self.bytes.get(before) != Some(&byte) {
            let Some(last) = before.checked_sub(1) else {
                return 0;
            };
            before = self.borders.get(last).copied().unwrap_or_default();
        }
        before.saturating_add(1)
    }

    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut matched = 0;
        for (before, byte) in text.iter().enumerate() {
            matched = self.matched(matched, spaced(*byte));
            if matched == self.bytes.len() {
                let end = before.saturating_add(1);
                push(&mut found, end.saturating_sub(matched)..end);
            }
        }
        found
    }
}

/// A way to write bytes: what an escape begins with, and how the one that a text begins with is read.
#[derive(Clone, Copy)]
struct Encoding {
    mark: u8,
    read: fn(&[u8]) -> Option<Step>,
}

const PERCENT: Encoding = Encoding {
    mark: b'%',
    read: |text| Some(Step::of(url::escaped_byte(text.get(1..)?)?, 3)),
};

const JSON: Encoding = Encoding {
    mark: b'\\',
    read: json_escape,
};

/// A byte or an escape: what it stands for, and how long it is.
struct Step {
    bytes: [u8; 4],
    stands_for: usize,
    length: usize,
}

impl Step {
    fn of(byte: u8, length: usize) -> Self {
        Self {
            bytes: [byte, 0, 0, 0],
            stands_for: 1,
            length,
        }
    }
}

fn json_escape(text: &[u8]) -> Option<Step> {
    let byte = match *text.get(1)? {
        b'u' => return code_point(text),
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        kind @ (b'"' | b'\\' | b'/') => kind,
        _ => return None,
    };
    Some(Step::of(byte, 2))
}

/// `\uXXXX`, or a pair of surrogates, `\uXXXX\uXXXX`.
fn code_point(text: &[u8]) -> Option<Step> {
    let unit = |text: &[u8]| {
        let digits = text.strip_prefix(b"\\u")?;
        let low = url::escaped_byte(digits.get(2..)?)?;
        Some(u16::from_be_bytes([url::escaped_byte(digits)?, low]))
    };
    let units = [Some(unit(text)?), text.get(6..).and_then(unit)];
    let read = char::decode_utf16(units.into_iter().flatten()).next()?;
    let read = read.ok()?;
    let mut bytes = [0; 4];
    let stands_for = read.encode_utf8(&mut bytes).len();
    Some(Step {
        bytes,
        stands_for,
        length: read.len_utf16().saturating_mul(6),
    })
}

/// The steps of a text, with what is not an escape as the bytes that it is.
fn steps(mut text: &[u8], encoding: Encoding) -> impl Iterator<Item = Step> {
    std::iter::from_fn(move || {
        let first = *text.first()?;
        let escape = (first == encoding.mark).then(|| (encoding.read)(text));
        let step = escape.flatten().unwrap_or_else(|| Step::of(first, 1));
        text = text.get(step.length..)?;
        Some(step)
    })
}

/// The text as it reads once decoded; `None` if it says the same. Every escape is longer than what it
/// stands for.
fn decoded(text: &[u8], encoding: Encoding) -> Option<Vec<u8>> {
    if !text.contains(&encoding.mark) {
        return None;
    }
    let mut decoded = Vec::with_capacity(text.len());
    for step in steps(text, encoding) {
        decoded.extend_from_slice(step.bytes.get(..step.stands_for)?);
    }
    (decoded.len() < text.len()).then_some(decoded)
}

/// Adds where spans of the decoded text are in the text itself.
fn outward(
    text: &[u8],
    encoding: Encoding,
    within: Vec<Range<usize>>,
    found: &mut Vec<Range<usize>>,
) {
    let mut within = within.into_iter().peekable();
    let mut own = Vec::new();
    let (mut at, mut start) = (0_usize, 0_usize);
    for step in steps(text, encoding) {
        while within.next_if(|span| span.end <= at).is_some() {}
        let Some(span) = within.peek() else { break };
        let end = start.saturating_add(step.length);
        let after = at.saturating_add(step.stands_for);
        if span.start < after {
            push(&mut own, start..end);
        }
        (at, start) = (after, end);
    }
    found.append(&mut own);
}

#[cfg(test)]
mod tests;
