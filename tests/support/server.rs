//! A server that replies to each request as a script says, byte for byte, and records the requests.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::reply::{End, Reply};
use super::tls;

/// Longer than any call of these tests takes. A wait that ends here has failed.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// In the order of arrival, names as written.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) over_tls: bool,
    /// The number of its connection, from 1.
    pub(crate) connection: usize,
}

impl Request {
    /// All values of a header, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter();
        let named = named.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

type Script = dyn Fn(&Request) -> Reply + Send + Sync;

/// Serves on loopback until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<thread::JoinHandle<()>>,
}

struct Shared {
    script: Box<Script>,
    manner: Manner,
    stopped: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// One entry for each connection, which is `None` once the connection has ended.
    sockets: Vec<Option<TcpStream>>,
    ended: usize,
    resumed: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Usual,
    /// Records no request.
    Forgetful,
    /// Leaves a request in the socket until its reply is known.
    LeavesUnread,
}

impl Shared {
    fn hear(&self, request: &Request) -> Reply {
        if self.manner != Manner::Forgetful {
            self.state().requests.push(request.clone());
        }
        (self.script)(request)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    pub(crate) fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(Box::new(script), Manner::Usual)
    }

    /// Starts a server for more requests than fit into memory. It records none.
    pub(crate) fn forgetful(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(Box::new(script), Manner::Forgetful)
    }

    /// Starts a server for replies that end with `End::Reset`. It supports no https, and no requests over 16 KiB.
    pub(crate) fn resetting(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(Box::new(script), Manner::LeavesUnread)
    }

    fn listen(script: Box<Script>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script,
            manner,
            stopped: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let own = Arc::clone(&shared);
        let acceptor = Some(thread::spawn(move || accept(&listener, &own)));
        Self {
            address,
            shared,
            acceptor,
        }
    }

    /// Sends these replies one after the other. The last of them is the reply to all further requests.
    pub(crate) fn play(replies: Vec<Reply>) -> Self {
        let next = Mutex::new(replies.into_iter().peekable());
        let last = Mutex::new(None);
        Self::start(move |_| {
            let mut last = last.lock().unwrap();
            if let Some(reply) = next.lock().unwrap().next() {
                *last = Some(reply);
            }
            Option::clone(&last).unwrap()
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// Returns the number of requests for paths that start with `path`.
    pub(crate) fn count(&self, path: &str) -> usize {
        let state = self.shared.state();
        let hits = state.requests.iter();
        hits.filter(|request| request.target.starts_with(path))
            .count()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.state().sockets.len()
    }

    /// Returns the number of resumed TLS sessions among the connections that the server has closed.
    pub(crate) fn resumed(&self) -> usize {
        self.shared.state().resumed
    }

    /// Blocks until this many connections have been closed by the server.
    pub(crate) fn wait_ended(&self, connections: usize) {
        let state = self.shared.state();
        let waiting = |state: &mut State| state.ended < connections;
        let (_state, late) = self
            .shared
            .changed
            .wait_timeout_while(state, LONG, waiting)
            .unwrap();
        assert!(!late.timed_out(), "the connections did not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for socket in self.shared.state().sockets.iter().flatten() {
            let _ = socket.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for socket in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(socket) = socket else { continue };
        let _ = socket.set_nodelay(true);
        let mut state = shared.state();
        state.sockets.push(socket.try_clone().ok());
        let connection = state.sockets.len();
        drop(state);
        let own = Arc::clone(shared);
        thread::spawn(move || {
            let _ = serve(&socket, &own, connection);
            own.state().sockets[connection - 1] = None;
            drop(socket);
            own.state().ended += 1;
            own.changed.notify_all();
        });
    }
}

/// Serves one connection. If its first byte begins a TLS handshake, it is https.
fn serve(socket: &TcpStream, shared: &Shared, connection: usize) -> io::Result<()> {
    let mut first = [0];
    socket.peek(&mut first)?;
    if first == [0x16] {
        let exchange =
            |stream: &mut tls::Stream| exchange(stream, socket, shared, connection, true);
        let resumed = tls::serve(socket.try_clone()?, exchange)?;
        shared.state().resumed += usize::from(resumed);
        return Ok(());
    }
    if shared.manner == Manner::LeavesUnread {
        return exchange_unread(socket, shared, connection);
    }
    exchange(&mut &*socket, socket, shared, connection, false)
}

fn exchange(
    stream: &mut (impl Read + Write),
    socket: &TcpStream,
    shared: &Shared,
    connection: usize,
    over_tls: bool,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = read_request(&mut stream)? {
        request.connection = connection;
        request.over_tls = over_tls;
        if !answer(stream.get_mut(), socket, &shared.hear(&request))? {
            break;
        }
    }
    Ok(())
}

/// Serves a connection without reading a request before its reply is known: closing a socket that contains unread bytes
/// resets the connection.
fn exchange_unread(socket: &TcpStream, shared: &Shared, connection: usize) -> io::Result<()> {
    let mut seen = vec![0; 16 << 10];
    while let Some((mut request, length)) = peek_request(socket, &mut seen)? {
        request.connection = connection;
        let reply = shared.hear(&request);
        if !matches!(reply.end, End::Reset) {
            (&*socket).read_exact(&mut seen[..length])?;
        }
        if !answer(&mut &*socket, socket, &reply)? {
            break;
        }
    }
    Ok(())
}

fn peek_request(socket: &TcpStream, seen: &mut [u8]) -> io::Result<Option<(Request, usize)>> {
    loop {
        let length = socket.peek(seen)?;
        if length == 0 {
            return Ok(None);
        }
        let mut rest = &seen[..length];
        if let Ok(Some(request)) = read_request(&mut rest) {
            return Ok(Some((request, length - rest.len())));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Sends a reply, and returns whether the connection can serve another request.
fn answer(stream: &mut (impl Read + Write), socket: &TcpStream, reply: &Reply) -> io::Result<bool> {
    let step = if reply.byte_by_byte {
        1
    } else {
        reply.bytes.len().max(1)
    };
    for part in reply.bytes.chunks(step) {
        stream.write_all(part)?;
        stream.flush()?;
    }
    match reply.end {
        End::Keep => return Ok(true),
        End::Close | End::Reset => {}
        // Silence, until the client or the test hangs up.
        End::Hold => wait_for_end(stream, socket, reply.limit)?,
        End::HalfClose => {
            socket.shutdown(Shutdown::Write)?;
            wait_for_end(stream, socket, reply.limit)?;
        }
        End::Drip(drop) => repeat(stream, drop, Duration::from_millis(20), reply.limit)?,
        End::Flood(drop) => repeat(stream, drop, Duration::ZERO, reply.limit)?,
    }
    Ok(false)
}

fn wait_for_end(stream: &mut impl Read, socket: &TcpStream, limit: Duration) -> io::Result<()> {
    socket.set_read_timeout(Some(limit))?;
    stream.read(&mut [0]).map(drop)
}

fn repeat(
    stream: &mut impl Write,
    drop: &[u8],
    pause: Duration,
    limit: Duration,
) -> io::Result<()> {
    let start = Instant::now();
    while start.elapsed() < limit {
        stream.write_all(drop)?;
        stream.flush()?;
        thread::sleep(pause);
    }
    Ok(())
}

/// Returns the next request, or `None` if the client has closed the connection.
fn read_request(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head)? == 0 {
            return Ok(None);
        }
    }
    let head: String = head.into_iter().map(char::from).collect();
    let mut lines = head.trim_end().split("\r\n");
    let mut line = lines.next().unwrap_or_default().split(' ');
    let split = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_owned(), value.trim().to_owned())
    };
    let mut request = Request {
        method: line.next().unwrap_or_default().to_owned(),
        target: line.next().unwrap_or_default().to_owned(),
        headers: lines.map(split).collect(),
        body: Vec::new(),
        head: head.clone(),
        over_tls: false,
        connection: 0,
    };
    assert!(
        request.header("transfer-encoding").is_none(),
        "bodies are sent with their length"
    );
    let length = request.header("content-length").map(str::parse);
    request.body = vec![0; length.map_or(0, Result::<usize, _>::unwrap)];
    stream.read_exact(&mut request.body)?;
    Ok(Some(request))
}
