//! Finds secrets in responses and error messages, and replaces them.
//!
//! The decoded text is searched first. If the text contains escapes, it is then searched as it is. The searches mark the
//! bytes of each secret, and the marked bytes are replaced at the end. This takes time in proportion to the text and to
//! the number of secrets, however long the secrets are.

mod decoder;
mod pattern;

use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{HeaderMap, HeaderValue};

use self::decoder::{BLOCK, Decoder, decoded, plain};
use self::pattern::{FIRST, OTHER, Pattern, Search};
use crate::error::{ErrorKind, NexusError, Result};
use crate::time::Deadline;

/// The shortest credential that is searched for, in bytes. Shorter strings occur by chance.
pub(crate) const MIN_CREDENTIAL: usize = 8;

/// Secrets to find in a text, both as they are and escaped.
pub(crate) struct Secrets {
    /// The length of the shortest secret that is searched for, in bytes.
    least: usize,
    texts: Vec<Vec<u8>>,
    /// The secrets, as they are and decoded, if they are long enough.
    patterns: Vec<Pattern>,
}

impl Secrets {
    /// `least` is the length of the shortest secret that is searched for, in bytes. Shorter strings occur by chance.
    pub(crate) fn new(least: usize) -> Self {
        Self {
            least: least.max(1),
            texts: Vec::new(),
            patterns: Vec::new(),
        }
    }

    /// Adds secrets, unless they are too short. If only the decoded form of a secret is too short, the secret is searched
    /// for as it is.
    pub(crate) fn add(&mut self, secrets: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        for secret in secrets {
            let text = secret.as_ref();
            if text.len() < self.least || self.texts.iter().any(|own| own == text) {
                continue;
            }
            self.texts.push(text.to_owned());
            let verbatim: Vec<u8> = text.iter().map(|byte| plain(*byte)).collect();
            let decoded = decoded(text);
            if decoded != verbatim && decoded.len() >= self.least {
                self.patterns.push(Pattern::new(&decoded));
            }
            self.patterns.push(Pattern::new(&verbatim));
        }
    }

    /// Replaces each secret in a response with `[credential]`, and corrects the `Content-Length`.
    ///
    /// # Errors
    ///
    /// `timeout` if the deadline comes before the search has ended. The response then still contains secrets.
    pub(crate) fn hide_in(
        &self,
        headers: &mut HeaderMap,
        body: &mut Vec<u8>,
        deadline: Deadline,
    ) -> Result<()> {
        let hidden = |text: &[u8]| self.replaced(text, "[credential]", Some(deadline));
        for value in headers.values_mut() {
            if let Some(Ok(shown)) = hidden(value.as_bytes())?.map(HeaderValue::try_from) {
                *value = shown;
            }
        }
        if let Some(shown) = hidden(body)? {
            *body = shown;
            if let Some(length) = headers.get_mut(CONTENT_LENGTH) {
                *length = body.len().into();
            }
        }
        Ok(())
    }

    /// Returns the text with `stand_in` in place of each secret, or `None` if the text contains no secret.
    pub(crate) fn hidden(&self, text: &[u8], stand_in: &str) -> Option<Vec<u8>> {
        self.replaced(text, stand_in, None).ok().flatten()
    }

    fn replaced(
        &self,
        text: &[u8],
        stand_in: &str,
        deadline: Option<Deadline>,
    ) -> Result<Option<Vec<u8>>> {
        // A text of one block is searched even if the deadline has passed.
        let deadline = deadline.filter(|_| text.len() > BLOCK);
        let check = || match deadline.map(Deadline::left) {
            Some(None) => {
                let problem = "timed out while searching the response for the credential; raise `timeout`, or \
                               lower max_body_bytes";
                Err(NexusError::new(ErrorKind::Timeout, problem))
            }
            _ => Ok(()),
        };
        let marks = self.marks(text, check)?;
        if !marks.contains(&FIRST) {
            return Ok(None);
        }
        let mut shown = Vec::with_capacity(text.len());
        for (text, marks) in text.chunks(BLOCK).zip(marks.chunks(BLOCK)) {
            check()?;
            for (byte, mark) in text.iter().zip(marks) {
                match *mark {
                    OTHER => shown.push(*byte),
                    FIRST => shown.extend_from_slice(stand_in.as_bytes()),
                    _ => {}
                }
            }
        }
        Ok(Some(shown))
    }

    /// Returns for each byte of the text whether it is `OTHER`, `FIRST` or `FURTHER`.
    fn marks(&self, text: &[u8], check: impl Fn() -> Result<()>) -> Result<Vec<u8>> {
        // Pages of zeros take no memory until they are written to.
        let mut marks = vec![OTHER; text.len()];
        // The second search finds secrets that the decoder takes for a part of an escape, such as `25abcdef` after a `%`.
        for mut decoder in [Decoder::new(text), Decoder::verbatim(text)] {
            let mut searches: Vec<_> = self.patterns.iter().map(Search::new).collect();
            let mut length: usize = 0;
            while let Some((bytes, edges)) = decoder.next_block() {
                check()?;
                length = length.saturating_add(bytes.len());
                for search in &mut searches {
                    search.read(bytes, edges, &mut marks);
                }
            }
            // Decoding an escape always shortens the text. The lengths are equal, so the text has no escapes.
            if length == text.len() {
                break;
            }
        }
        Ok(marks)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod timing;
