//! Opens TCP connections, each with a wrapper below TLS or, for plain http, below HTTP.

use std::cell::Cell;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{self, Duration};

use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::{Duration as Limit, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, NextTimeout, TcpConnector, Transport,
};
use ureq::{Proxy, ProxyProtocol, Timeout};

use crate::error::NexusError;
use crate::time::Deadline;
use crate::url;

/// The longest time for connecting to one address if the host has further addresses.
const MAX_CONNECT: Duration = Duration::from_secs(2);

thread_local! {
    /// True if the last request on this thread opened a connection, or tried to. ureq runs connectors on the
    /// thread of the request.
    pub(super) static OPENED: Cell<bool> = const { Cell::new(false) };
}

/// `Either::B` is a direct TCP connection, and `Either::A` a connection that a proxy's connector has opened.
type Socket<In> = <TcpConnector as Connector<In>>::Out;

/// A connection that reports an unexpected end as an error. It is reused only if no unread bytes are left on it.
#[derive(Debug)]
pub(super) struct Wire<In: Transport> {
    inner: Socket<In>,
    carries_tls: bool,
    /// True if anything was sent since the last `is_open`.
    used: bool,
    /// Set if the server responded and closed the connection before it had read the whole request. The rest of
    /// the request is discarded until this time.
    refused: Option<time::Instant>,
    /// True if the start of such a response is in the buffer, but `await_input` has not reported it yet.
    unannounced: bool,
}

/// Looks up the host if ureq has no address for it, and opens a TCP connection, unless a proxy's connector has
/// already opened it.
#[derive(Debug)]
pub(super) struct Dial<Hosts>(pub(super) Hosts);

impl<In: Transport, Hosts: Resolver> Connector<In> for Dial<Hosts> {
    type Out = Wire<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        OPENED.set(true);
        check_proxy(details.config).map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let socket = if chained.is_some() {
            TcpConnector::default().connect(details, chained)?
        } else if details.addrs.is_empty() {
            let addresses = (self.0).resolve(details.uri, details.config, details.timeout)?;
            dial(details, &addresses)?
        } else {
            dial(details, &details.addrs)?
        };
        Ok(socket.map(|inner| Wire {
            inner,
            carries_tls: url::is_https(details.uri),
            used: true,
            refused: None,
            unannounced: false,
        }))
    }
}

/// Refuses a SOCKS proxy in a build without `socks-proxy`, because ureq would bypass the proxy or panic.
pub(super) fn check_proxy(config: &Config) -> Result<(), NexusError> {
    let protocol = config.proxy().map(Proxy::protocol);
    let is_http = matches!(
        protocol,
        None | Some(ProxyProtocol::Http | ProxyProtocol::Https)
    );
    if is_http || cfg!(feature = "socks-proxy") {
        return Ok(());
    }
    let is_from_env = config.proxy().is_some_and(Proxy::is_from_env);
    // ureq does not tell which of the variables it has read.
    let place = if is_from_env {
        "environment variable ALL_PROXY, HTTPS_PROXY or HTTP_PROXY"
    } else {
        "agent"
    };
    let problem = "a SOCKS proxy needs this crate's feature `socks-proxy`; enable it, or use an http:// proxy";
    Err(NexusError::invalid_input(place, problem))
}

/// Connects to the first address that accepts a connection. ureq alone would spend most of the timeout on a
/// first address that does not respond.
fn dial<In: Transport>(
    details: &ConnectionDetails<'_>,
    addresses: &[SocketAddr],
) -> Result<Option<Socket<In>>, ureq::Error> {
    let mut outcome = Err(ureq::Error::HostNotFound);
    let mut addresses = addresses.iter();
    while let (Some(address), Err(_)) = (addresses.next(), &outcome) {
        let elapsed = match details.now {
            Instant::Exact(start) => start.elapsed(),
            _ => Duration::ZERO,
        };
        let mut left = details.timeout.after.saturating_sub(elapsed);
        if left.is_zero() {
            return Err(ureq::Error::Timeout(Timeout::Connect));
        }
        if addresses.len() > 0 {
            left = left.div_f32(2.0).min(MAX_CONNECT);
        }
        let mut addrs = ResolvedSocketAddrs::from_fn(|_| *address);
        addrs.push(*address);
        let timeout = NextTimeout {
            after: left.into(),
            // The kind of the error has to show that no request was sent.
            reason: Timeout::Connect,
            ..details.timeout
        };
        let details = ConnectionDetails {
            addrs,
            timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::clone(&details.register_shutdown),
            ..*details
        };
        outcome = TcpConnector::default().connect(&details, None);
    }
    outcome
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
            let is_late = until <= time::Instant::now();
            return if is_late { Err(error) } else { Ok(()) };
        }
        let sent = self.inner.transmit_output(amount, coarse(timeout));
        if sent.as_ref().is_err_and(is_disconnect) && matches!(self.await_input(timeout), Ok(true))
        {
            self.refused = Some(Deadline::after(*timeout.for_write().after).at);
            self.unannounced = true;
            return Ok(());
        }
        sent
    }

    /// Waits for input. Returns an error if the connection has ended while TLS still expects input, because a
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
    /// socket takes three system calls, so a direct connection is checked only when it is taken out.
    fn is_open(&mut self) -> bool {
        let goes_in = matches!(self.inner, Either::B(_)) && mem::take(&mut self.used);
        self.inner.buffers().input().is_empty() && (goes_in || self.inner.is_open())
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
    io::Error::from(io::ErrorKind::BrokenPipe).into()
}

/// Returns whether the error means that the other side ended the connection.
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
