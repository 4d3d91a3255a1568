//! Downloads: the body of a success goes to a writer instead of memory.

use std::io;

use crate::error::{ErrorKind, NexusError, Result};
use crate::transport::Response;

/// The writer of a download. Remembers whether it has got anything, and its error.
pub(super) struct Destination<'a> {
    writer: &'a mut dyn io::Write,
    has_begun: bool,
    problem: Option<io::Error>,
}

impl<'a> Destination<'a> {
    pub(super) fn new(writer: &'a mut dyn io::Write) -> Self {
        Self {
            writer,
            has_begun: false,
            problem: None,
        }
    }

    /// Returns the result of a download whose response has arrived or failed. Flushes the writer after a success.
    pub(super) fn end(&mut self, sent: Result<Response>) -> Result<Response> {
        let status = sent.as_ref().map(Response::status);
        if status.is_ok_and(|status| status.is_success()) {
            self.problem = self.writer.flush().err();
        }
        if let Some(problem) = self.problem.take() {
            let message = format!("the writer of the download failed: {problem}");
            let error = NexusError::new(ErrorKind::RequestFailed, message).lasting();
            return Err(error.local().with(|inner| inner.may_have_been_sent = true));
        }
        // The writer has a part of the body, so another attempt would not begin where this one began.
        let has_begun = self.has_begun;
        sent.map_err(|error| error.with(|inner| inner.may_repeat &= !has_begun))
    }
}

impl io::Write for Destination<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.has_begun = true;
        if let Err(problem) = self.writer.write_all(bytes) {
            self.problem = Some(problem);
            return Err(io::Error::other("the writer failed"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
