//! The wrapper around each TCP connection, below TLS or, for plain http, below HTTP.

use std::io;
use std::mem;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::time::Duration as Limit;
use ureq::unversioned::transport::{
    Buffers, Connector, Either, NextTimeout, TcpConnector, Transport,
};

use crate::time::Deadline;

/// `Either::B` is a direct TCP connection, and `Either::A` a connection that a proxy's connector has opened.
pub(super) type Socket<In> = <TcpConnector as Connector<In>>::Out;

/// A connection that reports an unexpected end as an error. It is reused only if no unread bytes are left on it.
#[derive(Debug)]
pub(super) struct Wire<In: Transport> {
    inner: Socket<In>,
    carries_tls: bool,
    /// True if anything was sent since the last `is_open`.
    used: bool,
    /// Set if the server responded and closed the connection before it had read the whole request. The rest of
    /// the request is discarded until this time.
    refused: Option<Instant>,
    /// True if the start of such a response is in the buffer, but `await_input` has not reported it yet.
    unannounced: bool,
}

impl<In: Transport> Wire<In> {
    pub(super) fn new(inner: Socket<In>, carries_tls: bool) -> Self {
        Self {
            inner,
            carries_tls,
            used: true,
            refused: None,
            unannounced: false,
        }
    }
}

impl<In: Transport> Transport for Wire<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    /// Sends bytes of the request. A server may respond and close before it has read the whole request
    /// (RFC 9112 section 9.5). ureq would then fail to send, and not read the response. This function
    /// therefore reports the rest of the request as sent.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.used = true;
        if let Some(until) = self.refused {
            let error = ureq::Error::Timeout(timeout.for_write().reason);
            return if until > Instant::now() {
                Ok(())
            } else {
                Err(error)
            };
        }
        let Err(error) = self.inner.transmit_output(amount, coarse(timeout)) else {
            return Ok(());
        };
        if !is_disconnect(&error) || !matches!(self.await_input(timeout), Ok(true)) {
            return Err(error);
        }
        self.refused = Some(Deadline::after(*timeout.for_write().after).at);
        self.unannounced = true;
        Ok(())
    }

    /// Waits for input. Returns an error if the connection has ended where TLS still expects input, because a
    /// TLS peer announces the end of its data (RFC 8446 section 6.1). Changes the error of a reset, because ureq
    /// would treat a reset as the end of a body without a length.
    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if mem::take(&mut self.unannounced) && !self.buffers().input().is_empty() {
            return Ok(true);
        }
        match self.inner.await_input(coarse(timeout)) {
            Ok(false) if self.carries_tls || self.refused.is_some() => Err(cut()),
            Err(error) if is_disconnect(&error) => Err(cut()),
            outcome => outcome,
        }
    }

    /// Returns whether another request may use the connection. It may not if TLS has left bytes unread,
    /// because these bytes belong to no response.
    ///
    /// ureq calls this function when a connection is put into the pool and when it is taken out. Checking the
    /// socket takes three system calls, so it is done only when the connection is taken out.
    fn is_open(&mut self) -> bool {
        let goes_in = matches!(self.inner, Either::B(_)) && mem::take(&mut self.used);
        self.refused.is_none()
            && self.inner.buffers().input().is_empty()
            && (goes_in || self.inner.is_open())
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Rounds the time limit up by at most 1/32. ureq makes a system call whenever a limit differs from the
/// previous limit, and exact limits always differ.
fn coarse(timeout: NextTimeout) -> NextTimeout {
    let Limit::Exact(exact) = timeout.after else {
        return timeout;
    };
    let micros = u64::try_from(exact.as_micros()).unwrap_or(u64::MAX);
    let magnitude = micros.checked_ilog2().unwrap_or_default();
    let step = 1 << magnitude.saturating_sub(5);
    let rounded = micros.checked_next_multiple_of(step).unwrap_or(micros);
    NextTimeout {
        after: Limit::Exact(Duration::from_micros(rounded)),
        ..timeout
    }
}

/// Returns an error that ureq does not treat as the end of a body.
fn cut() -> ureq::Error {
    let text = "the server closed the connection early";
    io::Error::new(io::ErrorKind::BrokenPipe, text).into()
}

/// Returns whether the other side ended the connection.
pub(super) fn is_disconnect(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error, ureq::Error::Io(error) if matches!(
        error.kind(),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(micros: u64) -> Limit {
        let after = Duration::from_micros(micros).into();
        let timeout = NextTimeout {
            after,
            ..NextTimeout::default()
        };
        coarse(timeout).after
    }

    #[test]
    fn a_time_limit_is_rounded_up_by_a_32nd_at_most() {
        let powers = (0..63).map(|bits| 1_u64 << bits);
        for exact in powers.flat_map(|power| [power - 1, power, power + power / 3]) {
            let micros = u64::try_from(rounded(exact).as_micros()).unwrap();
            assert!(
                (exact..=exact + exact / 32).contains(&micros),
                "{exact}: {micros}"
            );
            assert_eq!(rounded(micros), rounded(exact), "twice");
        }
        assert!(coarse(NextTimeout::default()).after.is_not_happening());
    }

    #[test]
    fn usual_time_limits_stay_the_same_while_a_request_runs() {
        for seconds in [5, 10, 15, 30, 60] {
            let whole = seconds * 1_000_000;
            assert_eq!(rounded(whole), rounded(whole - 10_000), "{seconds} s");
        }
    }
}
