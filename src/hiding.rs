//! Finds secrets in responses and error messages, and replaces them.
//!
//! Each secret is searched for in the spellings that usual encoders give it: as it is, escaped once, and escaped once
//! more inside a JSON string. All spellings keep the secret's ASCII letters and digits, so a text without the longest
//! run of these is not searched further. The time is in proportion to the text, whatever the secret is, because `str::contains`
//! uses the Two-Way algorithm.

use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{HeaderMap, HeaderValue};

use crate::error::{ErrorKind, NexusError, Result};
use crate::time::{Deadline, MAX_DURATION};
use crate::url;

/// The shortest credential that is searched for, in bytes. Shorter strings occur by chance.
pub(crate) const MIN_CREDENTIAL: usize = 8;

/// ASCII punctuation, the space, line breaks and the tab.
const ALL: &str = " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\n\r\t";

/// The ways to escape text: how a character is escaped (see [`escape`]), which ASCII characters are escaped, and whether
/// all non-ASCII characters are escaped as well.
const STYLES: [(char, &str, bool); 19] = [
    ('\\', "\"\\\n\r\t", false),
    ('\\', "\"\\\n\r\t", true),
    // The defaults of PHP, Go, Gson and .NET, except that .NET escapes `"` as a number.
    ('\\', "\"\\\n\r\t/", true),
    ('\\', "\"\\\n\r\t<>&", false),
    ('\\', "\"\\\n\r\t<>&='", false),
    ('\\', "\"\\\n\r\t<>&+'`", true),
    ('u', ALL, true),
    ('%', ALL, true),
    // All but the unreserved characters (RFC 3986 section 2.3), JavaScript's encodeURIComponent, Python's quote, path
    // segments (section 3.3), and the form encoding of the URL Standard.
    ('%', " !\"#$%&'()*+,/:;<=>?@[\\]^`{|}\n\r\t", true),
    ('%', " \"#$%&+,/:;<=>?@[\\]^`{|}", true),
    ('%', " !\"#$%&'()*+,:;<=>?@[\\]^`{|}", true),
    ('%', " \"#%/<>?[\\]^`{|}", true),
    ('+', " !\"#$%&'()+,/:;<=>?@[\\]^`{|}~", true),
    ('&', "&<>\"'", false),
    // The defaults of Go, Handlebars and Mustache, except that Go escapes `"` and Mustache escapes `'` as a decimal
    // number.
    ('&', "&<>\"'+", false),
    (';', "&<>\"'`=", false),
    (';', "&<>\"'`=/", false),
    ('#', ALL, true),
    ('x', ALL, true),
];

/// Escapes a character in the way that `how` names: `%` for URLs, `+` for forms, `\` for JSON, `u` for JSON as a number, `#`
/// for HTML as a decimal number, and `x` for HTML as a hexadecimal number. `&` and `;` escape as `#` and `x` do, but
/// use HTML's names where they know them, such as `&lt;`.
fn escape(how: char, c: char) -> String {
    let unit = |unit| format!("\\u{unit:04X}");
    match (how, c) {
        ('+', ' ') => "+".to_owned(),
        ('%' | '+', _) => url::encode_unless(c.to_string().as_bytes(), |_| false),
        ('\\', '/') => "\\/".to_owned(),
        ('\\', '"' | '\\' | '\n' | '\r' | '\t') => c.escape_default().to_string(),
        ('\\' | 'u', _) => c.to_string().encode_utf16().map(unit).collect(),
        ('&' | ';', '&') => "&amp;".to_owned(),
        ('&' | ';', '<') => "&lt;".to_owned(),
        ('&' | ';', '>') => "&gt;".to_owned(),
        ('&' | ';', '"') => "&quot;".to_owned(),
        ('&' | '#', _) => format!("&#{};", u32::from(c)),
        _ => format!("&#x{:X};", u32::from(c)),
    }
}

/// Adds a text to a list without repeats, in which the longest texts come first.
fn add(all: &mut Vec<String>, text: String) {
    if !all.contains(&text) {
        let place = all.partition_point(|other| other.len() >= text.len());
        all.insert(place, text);
    }
}

/// Adds the text as it is, and escaped in each of the `STYLES` whose way to escape is in `ways`, once with upper-case
/// and once with lower-case hexadecimal digits.
fn add_escaped(all: &mut Vec<String>, text: &str, ways: &str) {
    add(all, text.to_owned());
    let styles = STYLES.into_iter().filter(|(how, ..)| ways.contains(*how));
    for (how, set, others) in styles {
        let is_escaped = |c: char| set.contains(c) || others && !c.is_ascii();
        for in_case in [str::to_owned, str::to_ascii_lowercase] {
            let write = |c| match is_escaped(c).then(|| escape(how, c)) {
                Some(escaped) => in_case(&escaped),
                None => c.to_string(),
            };
            add(all, text.chars().map(write).collect());
        }
    }
}

/// Returns the spellings of a secret, the longest first.
fn spellings(secret: &str) -> Vec<String> {
    let (mut once, mut all) = (Vec::new(), Vec::new());
    add_escaped(&mut once, secret, "\\u%+&;#x");
    for text in once {
        add_escaped(&mut all, &text, "\\");
    }
    all
}

/// Secrets to find in a text, the longest first.
#[derive(Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Adds secrets of at least this many bytes. Shorter strings occur by chance.
    pub(crate) fn add(&mut self, secrets: impl IntoIterator<Item = impl AsRef<str>>, least: usize) {
        for secret in secrets {
            let text = secret.as_ref();
            if text.len() >= least.max(1) {
                add(&mut self.0, text.to_owned());
            }
        }
    }

    /// Replaces each secret in a response with `[credential]`, and corrects the `Content-Length`.
    ///
    /// # Errors
    ///
    /// `timeout` if the deadline comes before the search has ended. The response may then still contain secrets.
    pub(crate) fn hide_in(
        &self,
        headers: &mut HeaderMap,
        body: &mut Vec<u8>,
        deadline: Deadline,
    ) -> Result<()> {
        let hidden = |text: &[u8]| self.replaced(text, "[credential]", deadline);
        for value in headers.values_mut() {
            if let Some(Ok(shown)) = hidden(value.as_bytes())?.map(HeaderValue::try_from) {
                *value = shown;
            }
        }
        if let Some(shown) = hidden(body)? {
            *body = shown.into_bytes();
            if let Some(length) = headers.get_mut(CONTENT_LENGTH) {
                *length = body.len().into();
            }
        }
        Ok(())
    }

    /// Returns the text with `stand_in` in place of each secret, or `None` if the text contains no secret.
    pub(crate) fn hidden(&self, text: &str, stand_in: &str) -> Option<String> {
        let far = Deadline::after(MAX_DURATION);
        self.replaced(text.as_bytes(), stand_in, far).ok().flatten()
    }

    /// Replaces the longest secrets first, because a secret may be a part of another one. In a text that contains a secret,
    /// U+FFFD replaces bytes that are not UTF-8.
    fn replaced(&self, text: &[u8], stand_in: &str, end: Deadline) -> Result<Option<String>> {
        let late =
            "the search for the credential timed out; raise `timeout`, or lower max_body_bytes";
        let mut shown = String::from_utf8_lossy(text);
        let mut is_changed = false;
        for secret in &self.0 {
            let runs = secret.split(|c: char| !c.is_ascii_alphanumeric());
            let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
            if !shown.contains(longest) {
                continue;
            }
            for spelling in spellings(secret) {
                let left = end.left();
                left.ok_or_else(|| NexusError::new(ErrorKind::Timeout, late))?;
                if shown.contains(&spelling) {
                    shown = shown.replace(&spelling, stand_in).into();
                    is_changed = true;
                }
            }
        }
        Ok(is_changed.then(|| shown.into_owned()))
    }
}

#[cfg(test)]
mod tests;
