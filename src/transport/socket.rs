//! TCP connections: which of a host's addresses one is made to, and deadlines that hold on it.

use std::cell::Cell;
use std::io::{self, Read as _, Write as _};
use std::mem;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, ShutdownHandle,
    Transport,
};

use crate::clock::Deadline;
use crate::transport::dns::Names;
use crate::transport::until::deadline;

/// How long an address is tried that is remembered, or not the last one.
const MAX_CONNECT: Duration = Duration::from_secs(2);
/// Sockets know no longer time limits on some systems.
const MAX_LIMIT: u64 = 1 << 31;

thread_local! {
    static OPENED: Cell<u64> = const { Cell::new(0) };
}

/// How many connections default agents have opened on this thread. ureq connects on the thread of
/// the request, so a request that left the number alone ran on a pooled connection.
pub(super) fn opened() -> u64 {
    OPENED.get()
}

/// Opens a connection unless one is there already, to a proxy or through one.
#[derive(Debug)]
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
        let stream = self.open(details)?;
        if details.config.no_delay() {
            stream.set_nodelay(true)?;
        }
        let socket = Socket::new(stream, details);
        let handle: Weak<TcpStream> = Arc::downgrade(&socket.stream);
        (details.register_shutdown)(handle as Weak<dyn ShutdownHandle>)?;
        OPENED.set(OPENED.get().wrapping_add(1));
        Ok(Some(Either::B(socket)))
    }
}

impl Dial {
    /// Where none of a host's remembered addresses takes the connection, it may have moved.
    pub(super) fn open(&self, details: &ConnectionDetails<'_>) -> Result<TcpStream, ureq::Error> {
        let deadline = deadline(*details.timeout.after);
        let host = details.uri.host().unwrap_or_default();
        let addresses = || self.0.addresses(details.uri, details.config, deadline);
        let known = addresses()?;
        let remembered = self.0.remembers(host);
        match open_any(&known, remembered, deadline) {
            Err(_) if remembered => {
                self.0.forget(host);
                open_any(&addresses()?, false, deadline)
            }
            outcome => outcome,
        }
    }
}

fn open_any(
    addresses: &[SocketAddr],
    remembered: bool,
    deadline: Deadline,
) -> Result<TcpStream, ureq::Error> {
    let mut failed = ureq::Error::Timeout(ureq::Timeout::Connect);
    let mut addresses = addresses.iter().peekable();
    while let (Some(address), Some(left)) = (addresses.next(), deadline.left()) {
        let half = left.checked_div(2).unwrap_or(left);
        let limit = match addresses.peek() {
            None if !remembered => left,
            _ => half.min(MAX_CONNECT),
        };
        failed = match TcpStream::connect_timeout(address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) if is_late(&error) => ureq::Error::Timeout(ureq::Timeout::Connect),
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
    /// Shared with the agent, which may shut it down.
    stream: Arc<TcpStream>,
    buffers: LazyBuffers,
    read_limit: Option<Duration>,
    write_limit: Option<Duration>,
    /// Since the last probe, so that the next one is on the way into the pool.
    used: bool,
}

impl Socket {
    fn new(stream: TcpStream, details: &ConnectionDetails<'_>) -> Self {
        let config = details.config;
        Self {
            stream: Arc::new(stream),
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            read_limit: None,
            write_limit: None,
            used: true,
        }
    }

    fn read(&mut self, timeout: NextTimeout) -> Result<usize, ureq::Error> {
        let timeout = timeout.for_read();
        let deadline = deadline(*timeout.after);
        loop {
            let left = deadline.left();
            let left = left.ok_or(ureq::Error::Timeout(timeout.reason))?;
            let stream = &*self.stream;
            set_limit(&mut self.read_limit, left, |limit| {
                stream.set_read_timeout(limit)
            })?;
            match (&*self.stream).read(self.buffers.input_append_buf()) {
                Err(error) if is_interim(&error) => {}
                read => return Ok(read?),
            }
        }
    }

    fn write(
        &mut self,
        (from, to): (usize, usize),
        timeout: NextTimeout,
        until: Deadline,
    ) -> Result<usize, ureq::Error> {
        let deadline = deadline(*timeout.after).min(until);
        loop {
            let left = deadline.left();
            let left = left.ok_or(ureq::Error::Timeout(timeout.reason))?;
            let stream = &*self.stream;
            set_limit(&mut self.write_limit, left, |limit| {
                stream.set_write_timeout(limit)
            })?;
            let output = self.buffers.output().get(from..to).unwrap_or_default();
            match (&*self.stream).write(output) {
                Err(error) if is_interim(&error) => {}
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                written => return Ok(written?),
            }
        }
    }

    fn probe(&self) -> io::Result<usize> {
        self.stream.set_nonblocking(true)?;
        let waiting = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        waiting
    }
}

/// Whether there may still be time left: the limit of a socket is shorter than the time.
fn is_interim(error: &io::Error) -> bool {
    is_late(error) || error.kind() == io::ErrorKind::Interrupted
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

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.used = true;
        let until = deadline(*timeout.after);
        let mut sent = 0;
        while sent < amount {
            let written = self.write((sent, amount), timeout.for_write(), until)?;
            sent = sent.saturating_add(written);
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let read = self.read(timeout)?;
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
