//! TCP connections: which of a host's addresses one is made to, and deadlines that hold on it.
//!
//! ureq gives every piece of a proxy's response, and every piece of a body that it sends, the whole of
//! a time limit; and a limit of a single request makes it copy all of an agent's settings. So what the
//! SDK's own agents do on a thread ends by the deadline of the exchange that the thread is in.

use std::cell::Cell;
use std::io::ErrorKind::{self, Interrupted, TimedOut, WouldBlock};
use std::io::{self, Read as _, Write as _};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ureq::Timeout;
use ureq::unversioned::transport::time::Duration as Limit;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, LazyBuffers, NextTimeout, Transport,
};

use crate::time::Deadline;

/// How long an address is tried that is not the last one.
const MAX_CONNECT: Duration = Duration::from_secs(2);
/// Sockets know no longer time limits on some systems.
const MAX_LIMIT: u128 = 1 << 31;
/// Failures that leave the rest of the time.
const INTERIM: [ErrorKind; 3] = [WouldBlock, TimedOut, Interrupted];

thread_local! {
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
    static OPENED: Cell<Option<bool>> = const { Cell::new(None) };
}

/// While this lives, whatever the thread looks up, connects, reads and writes has to be done by its
/// deadline.
pub(super) struct Exchange(Option<Instant>);

impl Exchange {
    pub(super) fn begin(deadline: Deadline) -> Self {
        OPENED.set(None);
        Self(UNTIL.replace(Some(earlier(deadline.at))))
    }

    /// The part that opens a connection; ureq does it on the thread of the request.
    pub(super) fn opening(limit: Limit) -> Self {
        OPENED.set(Some(false));
        Self(UNTIL.replace(Some(end_of(limit))))
    }

    /// Through a proxy one connection is opened within the other; the last word is that of the outer.
    pub(super) fn opened(is_open: bool) {
        OPENED.set(Some(is_open));
    }

    /// Whether the thread's last one got no further than to open a connection.
    pub(super) fn was_opening() -> bool {
        OPENED.get() == Some(false)
    }

    /// Whether the thread's last one has not had to open a connection.
    pub(super) fn was_pooled() -> bool {
        OPENED.get().is_none()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        UNTIL.set(self.0);
    }
}

/// The end of the exchange, if that comes first.
fn earlier(end: Instant) -> Instant {
    UNTIL.get().map_or(end, |until| until.min(end))
}

/// The end of a time limit of ureq's, or of the exchange if that comes first.
pub(super) fn end_of(limit: Limit) -> Instant {
    match UNTIL.get() {
        Some(until) if limit.is_not_happening() => until,
        _ => earlier(Deadline::after(*limit).at),
    }
}

/// The time until then; past it, an error that says in which part of the exchange.
pub(super) fn left(until: Instant, reason: Timeout) -> Result<Duration, ureq::Error> {
    let left = until.checked_duration_since(Instant::now());
    let left = left.filter(|left| !left.is_zero());
    left.ok_or(ureq::Error::Timeout(reason))
}

/// Connects to the first of these addresses that can be reached, by the end of the exchange.
pub(super) fn open(addresses: &[SocketAddr]) -> Result<TcpStream, ureq::Error> {
    let until = end_of(Limit::NotHappening);
    let mut failed = ureq::Error::Timeout(Timeout::Connect);
    let mut addresses = addresses.iter().peekable();
    while let (Some(address), Ok(left)) = (addresses.next(), left(until, Timeout::Connect)) {
        let limit = match addresses.peek() {
            Some(_) => left.div_f32(2.0).min(MAX_CONNECT),
            None => left,
        };
        failed = match TcpStream::connect_timeout(address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == TimedOut => ureq::Error::Timeout(Timeout::Connect),
            Err(error) => error.into(),
        };
    }
    Err(failed)
}

/// A connection without anything on top.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// The time limits that the system has been told.
    reading: Duration,
    writing: Duration,
    /// Since the last probe, so that the next one is on the way into the pool.
    used: bool,
}

impl Socket {
    pub(super) fn connect(details: &ConnectionDetails<'_>) -> Result<Self, ureq::Error> {
        let stream = open(&details.addrs)?;
        let config = details.config;
        stream.set_nodelay(config.no_delay())?;
        Ok(Self {
            stream,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            reading: Duration::ZERO,
            writing: Duration::ZERO,
            used: true,
        })
    }
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
            let set = |limit| stream.set_write_timeout(limit);
            let end = (end_of(after).min(until), reason);
            let written = within(end, &mut self.writing, set, || (&*stream).write(rest))?;
            if written == 0 {
                return Err(io::Error::from(ErrorKind::WriteZero).into());
            }
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let NextTimeout { after, reason, .. } = timeout.for_read();
        let stream = &self.stream;
        let room = self.buffers.input_append_buf();
        let set = |limit| stream.set_read_timeout(limit);
        let end = (end_of(after), reason);
        let read = within(end, &mut self.reading, set, || (&*stream).read(room))?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    /// ureq probes a connection as it goes into the pool, and as it comes out; a probe is three
    /// system calls, and the second finds what the first would have.
    fn is_open(&mut self) -> bool {
        mem::take(&mut self.used)
            || matches!(probe(&self.stream), Err(error) if error.kind() == WouldBlock)
    }
}

fn probe(stream: &TcpStream) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let waiting = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    waiting
}

/// Reads or writes once. The socket is told only of halves and doubles of the time that is left: a limit
/// more exact would be another one each time, at the cost of a system call.
fn within(
    (until, reason): (Instant, Timeout),
    limit: &mut Duration,
    set: impl Fn(Option<Duration>) -> io::Result<()>,
    mut once: impl FnMut() -> io::Result<usize>,
) -> Result<usize, ureq::Error> {
    loop {
        let micros = left(until, reason)?.as_micros().clamp(1, MAX_LIMIT);
        let wanted = Duration::from_micros(1 << micros.ilog2());
        if wanted != mem::replace(limit, wanted) {
            // macOS says so of a connection that the peer has closed: reading it tells more.
            let is_telling = |error: &io::Error| error.kind() != ErrorKind::InvalidInput;
            if let Some(error) = set(Some(wanted)).err().filter(is_telling) {
                return Err(error.into());
            }
        }
        match once() {
            Err(error) if INTERIM.contains(&error.kind()) => {}
            done => return Ok(done?),
        }
    }
}
