//! TCP connections: which of a host's addresses one is made to, and deadlines that hold on it.
//!
//! ureq gives every piece of a proxy's response, and every piece of a body that it sends, the whole of
//! a time limit; and a limit of a single request makes it copy all of an agent's settings. So what the
//! SDK's own agents do on a thread ends by the deadline of the exchange that the thread is in.

use std::cell::Cell;
use std::io::{self, Read as _, Write as _};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ureq::Timeout;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, time,
};

use crate::clock::Deadline;
use crate::transport::dns::Names;

/// How long an address is tried that is not the last one.
const MAX_CONNECT: Duration = Duration::from_secs(2);
/// Sockets know no longer time limits on some systems.
const MAX_LIMIT: u64 = 1 << 31;
/// In place of an address that nobody needs; ureq expects one.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

thread_local! {
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    static OPENED: Cell<bool> = const { Cell::new(false) };
}

/// While this lives, whatever the thread looks up, connects, reads and writes has to be done by its
/// deadline.
pub(super) struct Exchange(Option<Instant>);

impl Exchange {
    pub(super) fn begin(deadline: Deadline) -> Self {
        OPENED.set(false);
        Self(UNTIL.replace(Some(deadline.instant())))
    }

    /// The part that opens a connection; ureq does it on the thread of the request.
    pub(super) fn opening(limit: time::Duration) -> Self {
        OPENED.set(true);
        Self(UNTIL.replace(Some(end_of(limit))))
    }

    /// Whether it has opened no connection.
    pub(super) fn is_pooled(&self) -> bool {
        !OPENED.get()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        UNTIL.set(self.0);
    }
}

/// The end of a time limit of ureq's, or of the exchange if that comes first.
fn end_of(limit: time::Duration) -> Instant {
    match UNTIL.get() {
        Some(until) if limit.is_not_happening() => until,
        until => {
            let end = Deadline::after(*limit).instant();
            until.map_or(end, |until| until.min(end))
        }
    }
}

fn left(until: Instant, reason: Timeout) -> Result<Duration, ureq::Error> {
    let left = until.checked_duration_since(Instant::now());
    let left = left.filter(|left| !left.is_zero());
    left.ok_or(ureq::Error::Timeout(reason))
}

/// Opens a connection unless one is there already, to a proxy or through one.
#[derive(Debug, Clone)]
pub(super) struct Dial(pub(super) Names);

impl<In: Transport> Connector<In> for Dial {
    type Out = Either<In, Socket>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let config = details.config;
        let stream = open(&self.addresses(details.uri, config)?)?;
        stream.set_nodelay(config.no_delay())?;
        Ok(Some(Either::B(Socket {
            stream,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            reading: None,
            writing: None,
            used: true,
        })))
    }
}

impl Resolver for Dial {
    /// ureq asks before it looks for a pooled connection, which needs no address. So whoever opens a
    /// connection looks its host up, and this says something that nobody reads. Only the connector for
    /// SOCKS asks for its proxy's addresses while it opens a connection; it would give the first of them
    /// most of the time, so it gets one that has just taken a connection.
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        if matches!(uri.scheme_str(), Some("http" | "https")) {
            return Ok(self.only(NOWHERE));
        }
        match *self.addresses(uri, config)? {
            [address] => Ok(self.only(address)),
            ref addresses => Ok(self.only(open(addresses)?.peer_addr()?)),
        }
    }
}

impl Dial {
    /// The address of a host that a proxy is told in place of its name.
    pub(super) fn first(
        &self,
        uri: &Uri,
        config: &Config,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.addresses(uri, config)?;
        Ok(self.only(addresses.first().copied().unwrap_or(NOWHERE)))
    }

    fn addresses(&self, uri: &Uri, config: &Config) -> Result<Vec<SocketAddr>, ureq::Error> {
        let until = end_of(time::Duration::NotHappening);
        self.0.addresses(uri, config.ip_family(), until)
    }

    fn only(&self, address: SocketAddr) -> ResolvedSocketAddrs {
        let mut only = self.empty();
        only.push(address);
        only
    }
}

/// Connects to the first of these addresses that can be reached.
fn open(addresses: &[SocketAddr]) -> Result<TcpStream, ureq::Error> {
    let until = end_of(time::Duration::NotHappening);
    let mut failed = ureq::Error::Timeout(Timeout::Connect);
    let mut addresses = addresses.iter().peekable();
    while let (Some(address), Ok(left)) = (addresses.next(), left(until, Timeout::Connect)) {
        let limit = match addresses.peek() {
            Some(_) => left.div_f32(2.0).min(MAX_CONNECT),
            None => left,
        };
        failed = match TcpStream::connect_timeout(address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) if is_late(&error) => ureq::Error::Timeout(Timeout::Connect),
            Err(error) => error.into(),
        };
    }
    Err(failed)
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A connection without anything on top.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// The time limits that the system has been told.
    reading: Option<Duration>,
    writing: Option<Duration>,
    /// Since the last probe, so that the next one is on the way into the pool.
    used: bool,
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.used = true;
        let until = end_of(timeout.after);
        let NextTimeout { after, reason, .. } = timeout.for_write();
        let stream = &self.stream;
        let mut rest = self.buffers.output().get(..amount).unwrap_or_default();
        while !rest.is_empty() {
            let until = end_of(after).min(until);
            let written = retried(|| {
                let left = left(until, reason)?;
                set_limit(&mut self.writing, left, |limit| {
                    stream.set_write_timeout(limit)
                })?;
                Ok((&*stream).write(rest))
            })?;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let NextTimeout { after, reason, .. } = timeout.for_read();
        let until = end_of(after);
        let stream = &self.stream;
        let room = self.buffers.input_append_buf();
        let read = retried(|| {
            let left = left(until, reason)?;
            set_limit(&mut self.reading, left, |limit| {
                stream.set_read_timeout(limit)
            })?;
            Ok((&*stream).read(room))
        })?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// ureq probes a connection as it goes into the pool, and as it comes out; a probe is three
    /// system calls, and the second finds what the first would have.
    fn is_open(&mut self) -> bool {
        mem::take(&mut self.used)
            || matches!(self.probe(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Socket {
    fn probe(&self) -> io::Result<usize> {
        self.stream.set_nonblocking(true)?;
        let waiting = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        waiting
    }
}

/// A socket's own time limit is shorter than the time that there is: then once more.
fn retried(
    mut once: impl FnMut() -> Result<io::Result<usize>, ureq::Error>,
) -> Result<usize, ureq::Error> {
    loop {
        match once()? {
            Err(error) if is_late(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            done => return Ok(done?),
        }
    }
}

/// A socket is told only of halves and doubles: a limit more exact would be another one each time,
/// at the cost of a system call.
fn set_limit(
    limit: &mut Option<Duration>,
    left: Duration,
    set: impl FnOnce(Option<Duration>) -> io::Result<()>,
) -> io::Result<()> {
    let micros = u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
    let step = 1_u64 << micros.clamp(1, MAX_LIMIT).ilog2();
    let wanted = Some(Duration::from_micros(step));
    if *limit == wanted {
        return Ok(());
    }
    match set(wanted) {
        // macOS says so of a connection that the peer has closed: reading it tells more.
        Err(error) if error.kind() != io::ErrorKind::InvalidInput => Err(error),
        _ => {
            *limit = wanted;
            Ok(())
        }
    }
}
