//! What lies beneath TLS, or beneath HTTP without it, on any connection: direct or through a proxy.

use std::io;
use std::mem;
use std::time::Instant;

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport,
};

use crate::transport::socket::{Socket, end_of, left};
use crate::url;

/// Opens a connection unless one is there already, to a proxy or through one.
#[derive(Debug)]
pub(super) struct Dial;

impl<In: Transport> Connector<In> for Dial {
    type Out = Wire<Either<In, Socket>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let connection = match chained {
            Some(chained) => Either::A(chained),
            None => Either::B(Socket::connect(details)?),
        };
        Ok(Some(Wire::new(connection, url::is_https(details.uri))))
    }
}

/// A connection whose end is an end only where the protocol above has one, and that is used again
/// only if nothing is left on it.
#[derive(Debug)]
pub(super) struct Wire<In> {
    inner: In,
    /// What has arrived, if TLS is what arrives.
    records: Option<Records>,
    /// The server has responded and closed before it had all of the request: the end of the time in which
    /// the rest may be sent to nobody.
    refused: Option<Instant>,
    /// The beginning of that response has been read, and who asks for it next gets it.
    unannounced: bool,
}

impl<In: Transport> Wire<In> {
    pub(super) fn new(mut inner: In, is_tls: bool) -> Self {
        let mut records = is_tls.then(Records::default);
        if let Some(records) = &mut records {
            records.pass(inner.buffers().input());
        }
        Self {
            inner,
            records,
            refused: None,
            unannounced: false,
        }
    }
}

impl<In: Transport> Transport for Wire<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    /// A server may respond and close before it has read the request (RFC 9112 section 9.5). ureq would
    /// fail with what it could not send, and read nothing; so it seems to be sent.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let limit = timeout.for_write();
        if let Some(until) = self.refused {
            return left(until, limit.reason).map(drop);
        }
        let until = end_of(limit.after);
        let Err(error) = self.inner.transmit_output(amount, timeout) else {
            return Ok(());
        };
        if !is_disconnect(&error) || !matches!(self.await_input(timeout), Ok(true)) {
            return Err(error);
        }
        (self.refused, self.unannounced) = (Some(until), true);
        Ok(())
    }

    /// TLS reads no further than its own end (RFC 8446 section 6.1), so any other is a cut; and ureq
    /// takes a reset for the end of a body that has no length.
    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.inner.buffers().input().len();
        if mem::take(&mut self.unannounced) && before > 0 {
            return Ok(true);
        }
        let more = match self.inner.await_input(timeout) {
            Ok(false) if self.records.is_some() || self.refused.is_some() => return Err(cut()),
            Err(error) if is_disconnect(&error) => return Err(cut()),
            outcome => outcome?,
        };
        if let Some(records) = &mut self.records {
            let input = self.inner.buffers().input();
            records.pass(input.get(before..).unwrap_or_default());
        }
        Ok(more)
    }

    /// Whatever has arrived has been handed upwards, and no half of a record with it: else TLS would
    /// hold back the beginning of what somebody sent unasked until the next request brings the rest.
    fn is_open(&mut self) -> bool {
        self.refused.is_none()
            && self.inner.buffers().input().is_empty()
            && self.records.as_ref().is_none_or(Records::are_whole)
            && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// How far a stream of TLS records has come: a header of five bytes, of which the last two are the
/// length of what follows (RFC 8446 section 5.1, RFC 5246 section 6.2.1).
#[derive(Debug, Default)]
struct Records {
    /// The bytes of a header that were there.
    header: u8,
    /// The last two of them.
    length: u16,
    /// What is left of the record after its header.
    left: usize,
}

impl Records {
    fn pass(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = self.left.min(bytes.len());
            self.left = self.left.saturating_sub(skipped);
            let Some((byte, rest)) = bytes.get(skipped..).and_then(<[u8]>::split_first) else {
                return;
            };
            bytes = rest;
            self.length = (self.length << 8) | u16::from(*byte);
            self.header = self.header.saturating_add(1);
            if self.header == 5 {
                self.header = 0;
                self.left = self.length.into();
            }
        }
    }

    fn are_whole(&self) -> bool {
        self.header == 0 && self.left == 0
    }
}

/// The connection has ended, and not as its protocol says: of a kind that ureq takes for nothing else.
fn cut() -> ureq::Error {
    let text = "the server closed the connection early";
    ureq::Error::Io(io::Error::new(io::ErrorKind::BrokenPipe, text))
}

/// Whether the failure is that of a connection which the other side has ended.
pub(super) fn is_disconnect(error: &ureq::Error) -> bool {
    let ureq::Error::Io(error) = error else {
        return false;
    };
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_whole_only_between_them() {
        let stream = [
            &[22, 3, 3, 0, 2, 1, 2][..],
            &[23, 3, 3, 0, 0],
            &[23, 3, 3, 1, 1],
            &[7; 257],
        ]
        .concat();
        let ends = [0, 7, 12, stream.len()];
        for step in 1..=stream.len() {
            let (mut records, mut passed) = (Records::default(), 0);
            for part in stream.chunks(step) {
                records.pass(part);
                passed += part.len();
                assert_eq!(
                    records.are_whole(),
                    ends.contains(&passed),
                    "{passed} by {step}"
                );
            }
        }
    }
}
