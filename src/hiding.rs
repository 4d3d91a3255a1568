//! Finds secrets in responses and error messages, and replaces them.

use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{HeaderMap, HeaderValue};

use crate::url;

/// The shortest credential that is searched for, in bytes. Shorter strings occur by chance.
pub(crate) const MIN_CREDENTIAL: usize = 8;

/// The short escapes of form encoding (`+` for a space) and of JSON (RFC 8259 section 7), and the most common short
/// escapes of HTML.
const SHORT_ESCAPES: [(char, &str); 14] = [
    (' ', "+"),
    ('/', "\\/"),
    ('\\', "\\\\"),
    ('"', "\\\""),
    ('\n', "\\n"),
    ('\r', "\\r"),
    ('\t', "\\t"),
    ('\u{8}', "\\b"),
    ('\u{C}', "\\f"),
    ('"', "&quot;"),
    ('\'', "&apos;"),
    ('&', "&amp;"),
    ('<', "&lt;"),
    ('>', "&gt;"),
];

/// Secrets to find in a text, both as they are and escaped.
#[derive(Default)]
pub(crate) struct Secrets(Vec<Secret>);

struct Secret {
    text: String,
    /// The spellings of each character.
    spellings: Vec<Vec<String>>,
}

impl Secrets {
    /// Adds a secret, unless it is shorter than `least` bytes.
    pub(crate) fn add(&mut self, text: &[u8], least: usize) {
        let text = String::from_utf8_lossy(text).into_owned();
        if text.len() >= least && !self.0.iter().any(|own| own.text == text) {
            let spellings = text.chars().map(spellings).collect();
            self.0.push(Secret { text, spellings });
        }
    }

    /// Returns the text with `stand_in` in place of each secret, or `None` if the text contains no secret. Of several
    /// secrets that begin at the same place, the longest is replaced.
    pub(crate) fn hidden(&self, text: &[u8], stand_in: &str) -> Option<Vec<u8>> {
        let mut shown = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            let ends = self.0.iter().filter_map(|secret| secret.after(rest));
            if let Some(end) = ends.min_by_key(|end| end.len()) {
                shown.extend_from_slice(stand_in.as_bytes());
                rest = end;
            } else {
                shown.push(*first);
                rest = after;
            }
        }
        (shown != text).then_some(shown)
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

impl Secret {
    /// Returns the text after the secret, or `None` if the text does not begin with the secret.
    fn after<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let first = text.first();
        if first != self.text.as_bytes().first() && !matches!(first?, b'%' | b'\\' | b'&' | b'+') {
            return None;
        }
        // A `%25` in the text may be an escaped `%`, the start of `%2525`, or a part of the secret. All are tried, but
        // no more than 16 at a time, so that no text takes long.
        let mut rests = vec![text];
        for spellings in &self.spellings {
            let known = || spellings.iter().map(String::as_bytes);
            let after = |rest: &'a [u8]| known().filter_map(move |own| rest.strip_prefix(own));
            rests = rests.into_iter().flat_map(after).collect();
            rests.dedup_by_key(|rest| rest.len());
            rests.truncate(16);
            rests.first()?;
        }
        rests.into_iter().min_by_key(|rest| rest.len())
    }
}

/// Returns the spellings of a character: its escapes, unless it is an ASCII letter or digit, and the character itself.
/// Percent-encoding is applied up to three times, because a redirect's URL may contain an encoded URL. In JSON, Go
/// writes the ampersand of an HTML character reference as `\u0026`.
fn spellings(c: char) -> Vec<String> {
    let mut spellings = vec![c.to_string()];
    if c.is_ascii_alphanumeric() {
        return spellings;
    }
    let code = u32::from(c);
    let percent = url::encode_unless(c.to_string().as_bytes(), |_| false);
    let twice = percent.replace('%', "%25");
    let thrice = twice.replace('%', "%25");
    // JSON escapes a character beyond U+FFFF as two surrogates.
    let mut units = [0; 2];
    let units = c.encode_utf16(&mut units).iter();
    let json: Vec<_> = units.map(|unit| format!("\\u{unit:04X}")).collect();
    let (json, html) = (json.concat(), format!("&#x{code:X};"));
    for escape in [percent, twice, thrice, json, html] {
        spellings.push(escape.to_ascii_lowercase());
        spellings.push(escape);
    }
    spellings.extend(["&#", "&#0", "\\u0026#"].map(|start| format!("{start}{code};")));
    let short = SHORT_ESCAPES.iter().filter(|(own, _)| *own == c);
    spellings.extend(short.map(|(_, escape)| (*escape).to_owned()));
    spellings
}

#[cfg(test)]
mod tests;
