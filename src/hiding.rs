//! Finds secrets in responses and error messages, and replaces them.
//!
//! A text is searched twice at the same time: as it is, and decoded. Both searches take time in proportion to the text
//! and to the number of secrets, however long the secrets are.

mod decoder;
mod pattern;

use std::ops::Range;

use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{HeaderMap, HeaderValue};

use self::decoder::{Decoder, decoded, plain};
use self::pattern::Pattern;
use crate::error::{ErrorKind, NexusError, Result};
use crate::time::Deadline;

/// The shortest credential that is searched for, in bytes. Shorter strings occur by chance.
pub(crate) const MIN_CREDENTIAL: usize = 8;

/// The least number of bytes that are decoded and searched at a time. The deadline is checked after each block.
const BLOCK: usize = 16 * 1024;

/// Secrets to find in a text, both as they are and escaped.
#[derive(Default)]
pub(crate) struct Secrets {
    texts: Vec<Vec<u8>>,
    /// The secrets, as they are and decoded, if they are long enough.
    patterns: Vec<Pattern>,
}

impl Secrets {
    /// Adds a secret, unless it is shorter than `least` bytes. If only its decoded form is shorter, the secret is
    /// searched for as it is.
    pub(crate) fn add(&mut self, text: &[u8], least: usize) {
        if text.len() < least.max(1) || self.texts.iter().any(|own| own == text) {
            return;
        }
        self.texts.push(text.to_owned());
        let verbatim: Vec<u8> = text.iter().map(|byte| plain(*byte)).collect();
        let decoded = decoded(text);
        if decoded != verbatim && decoded.len() >= least.max(1) {
            self.patterns.push(Pattern::new(&decoded));
        }
        self.patterns.push(Pattern::new(&verbatim));
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
        let mut search = Search::new(&self.patterns, text, stand_in);
        while search.next_block() {
            if deadline.is_some_and(|deadline| deadline.left().is_none()) {
                let problem = "timed out while searching the response for the credential; raise `timeout`, or \
                               lower max_body_bytes";
                return Err(NexusError::new(ErrorKind::Timeout, problem));
            }
        }
        Ok(search.shown.finish())
    }
}

/// A search of one text.
struct Search<'s> {
    patterns: &'s [Pattern],
    longest: usize,
    text: &'s [u8],
    decoder: Decoder<'s>,
    shown: Shown<'s>,
    /// The number of bytes of the text that have been searched as they are.
    at: usize,
    /// The number of decoded bytes that have been searched.
    at_decoded: usize,
    /// For each pattern, the number of its bytes that the searched text ends with: as it is, and decoded.
    begun: Vec<(usize, usize)>,
}

impl<'s> Search<'s> {
    fn new(patterns: &'s [Pattern], text: &'s [u8], stand_in: &'s str) -> Self {
        let longest = patterns.iter().map(Pattern::len).max();
        Self {
            patterns,
            longest: longest.unwrap_or_default(),
            text,
            decoder: Decoder::new(text),
            shown: Shown::new(text, stand_in),
            at: 0,
            at_decoded: 0,
            begun: vec![(0, 0); patterns.len()],
        }
    }

    /// Searches a block of the text, and writes what can no longer change. Returns whether there is more text.
    fn next_block(&mut self) -> bool {
        let kept = self.longest.saturating_add(16);
        let block = BLOCK.max(self.longest.saturating_mul(2));
        let ready = self.decoder.read_up_to(kept.saturating_add(block));
        self.search_decoded(ready);
        if self.decoder.changed.saturating_add(self.longest) < self.at {
            // There was no escape, so the decoded bytes are the text.
            for (begun, begun_decoded) in &mut self.begun {
                *begun = *begun_decoded;
            }
            self.at = self.decoder.start(ready);
        } else {
            self.search_text();
        }
        let has_more = self.decoder.read < self.text.len();
        if has_more {
            let dropped = ready.saturating_sub(kept);
            self.decoder.drop(dropped);
            self.at_decoded = ready.saturating_sub(dropped);
            self.shown.write_until(self.decoder.start(0));
        }
        has_more
    }

    /// Searches the decoded bytes up to `ready`.
    fn search_decoded(&mut self, ready: usize) {
        let (at, decoder) = (self.at_decoded, &self.decoder);
        let fresh = decoder.bytes.get(at..ready).unwrap_or_default();
        for (pattern, (_, begun)) in self.patterns.iter().zip(&mut self.begun) {
            pattern.search(begun, fresh.iter().copied(), |count| {
                let end = at.saturating_add(count);
                let start = decoder.start(end.saturating_sub(pattern.len()));
                self.shown.add(start..decoder.start(end));
            });
        }
    }

    /// Searches the text as it is, as far as it has been decoded. This finds secrets that the decoder takes for a part
    /// of an escape, such as `25abcdef` after a `%`.
    fn search_text(&mut self) {
        let (at, end) = (self.at, self.decoder.read);
        let fresh = self.text.get(at..end).unwrap_or_default();
        for (pattern, (begun, _)) in self.patterns.iter().zip(&mut self.begun) {
            pattern.search(begun, fresh.iter().map(|byte| plain(*byte)), |count| {
                let end = at.saturating_add(count);
                self.shown.add(end.saturating_sub(pattern.len())..end);
            });
        }
        self.at = end;
    }
}

/// The text with the secrets replaced, as far as it has been searched.
struct Shown<'t> {
    text: &'t [u8],
    stand_in: &'t str,
    /// The secrets that have been found but not written. Only the last one can still grow.
    found: Vec<Range<usize>>,
    written: Vec<u8>,
    /// The number of bytes of the text that have been written or replaced.
    done: usize,
}

impl<'t> Shown<'t> {
    fn new(text: &'t [u8], stand_in: &'t str) -> Self {
        Self { text, stand_in, found: Vec::new(), written: Vec::new(), done: 0 }
    }

    fn add(&mut self, range: Range<usize>) {
        match self.found.last_mut() {
            Some(last) if last.start <= range.start && range.start < last.end => {
                last.end = last.end.max(range.end);
            }
            _ => self.found.push(range),
        }
    }

    /// Writes the secrets that end before `limit`. No secret that begins before `limit` may be added later.
    fn write_until(&mut self, limit: usize) {
        self.found.sort_by_key(|range| range.start);
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in self.found.drain(..) {
            match merged.last_mut() {
                Some(last) if range.start < last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        for range in merged {
            if range.end > limit {
                self.found.push(range);
                continue;
            }
            let before = self.text.get(self.done..range.start);
            self.written.extend_from_slice(before.unwrap_or_default());
            self.written.extend_from_slice(self.stand_in.as_bytes());
            self.done = range.end;
        }
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        self.write_until(usize::MAX);
        let rest = self.text.get(self.done..).unwrap_or_default();
        self.written.extend_from_slice(rest);
        (self.done > 0).then_some(self.written)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod timing;
