//! Finds secrets in responses and error messages, and replaces them.
//!
//! A text is searched twice at the same time: as it is, and decoded. Both searches take time in proportion to the text,
//! whatever the secrets are.

mod automaton;
mod decoder;

use std::ops::Range;

use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{HeaderMap, HeaderValue};

use self::automaton::{Automaton, START};
use self::decoder::{Decoder, OPEN, decoded, plain};
use crate::error::{ErrorKind, NexusError, Result};
use crate::time::Deadline;

/// The shortest credential that is searched for, in bytes. Shorter strings occur by chance.
pub(crate) const MIN_CREDENTIAL: usize = 8;

/// The number of bytes that are decoded and searched at a time. The deadline is checked after each block.
const BLOCK: usize = 16 * 1024;

/// Secrets to find in a text, both as they are and escaped.
#[derive(Default)]
pub(crate) struct Secrets {
    texts: Vec<Vec<u8>>,
    /// The secrets as they are and decoded, as far as they are long enough.
    patterns: Vec<Vec<u8>>,
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
            self.patterns.push(decoded);
        }
        self.patterns.push(verbatim);
    }

    pub(crate) fn search(&self) -> Search {
        let lengths = self.patterns.iter().map(Vec::len);
        Search {
            automaton: Automaton::new(&self.patterns),
            longest: lengths.max().unwrap_or_default(),
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
        let search = self.search();
        let hidden = |text: &[u8]| search.replaced(text, "[credential]", Some(deadline));
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
}

/// A search for secrets, which can be used for several texts.
pub(crate) struct Search {
    automaton: Automaton,
    /// The length of the longest pattern.
    longest: usize,
}

impl Search {
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
        let mut shown = Shown::new(text, stand_in);
        let mut decoder = Decoder::new(text);
        let (mut state, mut searched) = (START, 0);
        let mut verbatim = Verbatim::default();
        let kept = self.longest.saturating_add(16);
        let block = BLOCK.max(self.longest.saturating_mul(2));
        loop {
            let ready = decoder.read_up_to(kept.saturating_add(block));
            let fresh = decoder.bytes.get(searched..ready).unwrap_or_default();
            for (byte, end) in fresh.iter().zip(searched.saturating_add(1)..) {
                state = self.automaton.after(state, *byte);
                if state != START {
                    let length = self.automaton.found(state);
                    if length > 0 {
                        let start = decoder.start(end.saturating_sub(length));
                        shown.add(start..decoder.start(end));
                    }
                }
            }
            let has_decoded = std::mem::take(&mut decoder.has_decoded);
            verbatim.search(self, text, decoder.read, has_decoded, &mut shown);
            if decoder.read >= text.len() {
                return Ok(shown.finish());
            }
            let dropped = ready.saturating_sub(kept);
            decoder.drop(dropped);
            searched = ready.saturating_sub(dropped);
            shown.write_until(decoder.start(0));
            if deadline.is_some_and(|deadline| deadline.left().is_none()) {
                let problem = "timed out while searching the response for the credential; raise `timeout`, or \
                               lower max_body_bytes";
                return Err(NexusError::new(ErrorKind::Timeout, problem));
            }
        }
    }
}

/// The search of the text as it is. It finds secrets that the decoder takes for a part of an escape, such as `25abcdef`
/// after a `%`, so only the surroundings of decoded escapes are searched.
#[derive(Default)]
struct Verbatim {
    state: u32,
    /// The number of bytes that have been searched or need no search.
    at: usize,
    /// The number of bytes up to which an earlier escape requires a search.
    until: usize,
}

impl Verbatim {
    /// Searches up to `end`, to which the text has been decoded.
    fn search(
        &mut self,
        search: &Search,
        text: &[u8],
        end: usize,
        has_decoded: bool,
        shown: &mut Shown<'_>,
    ) {
        if has_decoded {
            self.until = end.saturating_add(search.longest);
        }
        for index in self.at..end.min(self.until) {
            let Some(byte) = text.get(index) else { break };
            self.state = search.automaton.after(self.state, plain(*byte));
            let length = search.automaton.found(self.state);
            let end = index.saturating_add(1);
            if length > 0 {
                shown.add(end.saturating_sub(length)..end);
            }
        }
        let near = end.saturating_sub(search.longest).saturating_sub(OPEN);
        if self.until < near {
            (self.at, self.state) = (near, START);
        } else {
            self.at = self.at.max(end.min(self.until));
        }
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
        Self {
            text,
            stand_in,
            found: Vec::new(),
            written: Vec::new(),
            done: 0,
        }
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
