//! One connection: HTTP/1.1 as `ureq_proto` speaks it, bytes in and out of a socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::header::{CONNECTION, TRANSFER_ENCODING};
use ureq::http::{self, Request, StatusCode};
use ureq_proto::server::state::{Cleanup, ProvideResponse, RecvBody, RecvRequest, SendBody};
use ureq_proto::server::{RecvRequestResult, Reply, SendResponseResult};
use ureq_proto::{BodyMode, Error};

use super::call::Caller;
use super::clock::imf_fixdate;
use super::received::ReceivedRequest;
use super::response::{Response, TEXT};
use super::routes::respond;
use super::service::Service;

const MAX_HEAD: usize = 64 * 1024;
const MAX_BODY: usize = 1024 * 1024;
const BUFFER: usize = 16 * 1024;
/// How much of what a refused client still sends is read, so that it gets to see the response.
const MAX_DRAINED: u64 = 64 * 1024 * 1024;
/// How often a waiting call looks after its caller.
const LOOK: Duration = Duration::from_millis(10);
const DRAIN_SILENCE: Duration = Duration::from_secs(2);

/// Why an exchange ends early.
enum Failure {
    /// The socket is closed, or of no use any more.
    Closed,
    /// The request cannot be taken; this is said before closing.
    Refused(StatusCode),
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(match error {
            Error::HttpParseTooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        })
    }
}

/// Serves requests until either side closes.
pub(super) fn serve(socket: &TcpStream, service: &Service) {
    let mut wire = Wire {
        socket,
        service,
        input: Vec::new(),
    };
    let failure = loop {
        match wire.exchange() {
            Ok(true) => {}
            Ok(false) => break Failure::Closed,
            Err(failure) => break failure,
        }
    };
    if let Failure::Refused(status) = failure {
        let _ = wire.refuse(status);
    }
    let _ = socket.shutdown(Shutdown::Both);
}

struct Wire<'a> {
    socket: &'a TcpStream,
    service: &'a Service,
    /// Received, and not parsed yet.
    input: Vec<u8>,
}

impl Wire<'_> {
    /// One request and its response; tells whether the connection stays open.
    fn exchange(&mut self) -> Result<bool, Failure> {
        let (reply, head) = self.read_head()?;
        let (reply, body) = self.read_body(reply, &head)?;
        match respond(self.service, &received(head, body), self.socket) {
            Some(response) => self.send(reply, &response),
            None => Ok(false),
        }
    }

    fn read_head(&mut self) -> Result<(Reply<RecvRequest>, Request<()>), Failure> {
        let too_large = Failure::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        let mut reply = Reply::new()?;
        // Else a body after HEAD or CONNECT would be taken for the next request.
        reply.force_recv_body();
        loop {
            let (used, head) = reply.try_request(&self.input)?;
            if used > MAX_HEAD || (head.is_none() && self.input.len() > MAX_HEAD) {
                return Err(too_large);
            }
            self.input.drain(..used);
            match head {
                Some(head) => return Ok((reply, head)),
                None => self.fill()?,
            }
        }
    }

    fn read_body(
        &mut self,
        reply: Reply<RecvRequest>,
        head: &Request<()>,
    ) -> Result<(Reply<ProvideResponse>, Vec<u8>), Failure> {
        let next = reply.proceed();
        match next.ok_or(Failure::Closed)? {
            RecvRequestResult::ProvideResponse(reply) => Ok((reply, Vec::new())),
            RecvRequestResult::RecvBody(reply) => self.take_body(reply, head),
            RecvRequestResult::Send100(reply) => {
                let mut go_on = vec![0; BUFFER];
                let (used, reply) = reply.accept(&mut go_on)?;
                check_announced(&reply)?;
                go_on.truncate(used);
                self.socket.write_all(&go_on)?;
                self.take_body(reply, head)
            }
        }
    }

    fn take_body(
        &mut self,
        mut reply: Reply<RecvBody>,
        head: &Request<()>,
    ) -> Result<(Reply<ProvideResponse>, Vec<u8>), Failure> {
        check_announced(&reply)?;
        end_unframed(&mut reply, head)?;
        let (mut body, mut part) = (Vec::new(), vec![0; BUFFER]);
        while !reply.is_ended() {
            let (used, got) = reply.read(&self.input, &mut part)?;
            self.input.drain(..used);
            body.extend(part.iter().take(got));
            if body.len() > MAX_BODY {
                return Err(Failure::Refused(StatusCode::PAYLOAD_TOO_LARGE));
            }
            if used == 0 && !reply.is_ended() {
                self.fill()?;
            }
        }
        Ok((reply.proceed()?, body))
    }

    /// Reads more; never returns without.
    fn fill(&mut self) -> Result<(), Failure> {
        // Only broken framing leaves that much unparsed.
        if self.input.len() > MAX_HEAD {
            return Err(Failure::Refused(StatusCode::BAD_REQUEST));
        }
        let mut part = [0; BUFFER];
        loop {
            match self.socket.read(&mut part) {
                Ok(0) => return Err(Failure::Closed),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                got => {
                    self.input.extend(part.iter().take(got?));
                    return Ok(());
                }
            }
        }
    }

    /// Sends a response; tells whether the connection stays open.
    fn send(
        &mut self,
        reply: Reply<ProvideResponse>,
        response: &Response,
    ) -> Result<bool, Failure> {
        let head = response.head(&imf_fixdate(self.service.clock.now()));
        let mut output = Vec::new();
        // A response that HTTP does not allow here: a fault on order.
        let reply = write(reply, head, &response.body, &mut output).map_err(|_| Failure::Closed)?;
        self.socket.write_all(&output)?;
        Ok(!reply.must_close_connection())
    }

    /// Responds to what was not a request, and reads on until the client has seen it.
    fn refuse(&mut self, status: StatusCode) -> Result<(), Failure> {
        // The protocol responds to nothing but requests, so this one stands in.
        let mut reply = Reply::new()?;
        let stand_in = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        reply.try_request(stand_in)?;
        let Some(RecvRequestResult::ProvideResponse(reply)) = reply.proceed() else {
            return Ok(());
        };
        let reason = status.canonical_reason().unwrap_or_default();
        let response = Response::new(status.as_u16(), TEXT, reason);
        self.send(reply, &response.header(CONNECTION, "close"))?;
        self.socket.shutdown(Shutdown::Write)?;
        self.socket.set_read_timeout(Some(DRAIN_SILENCE))?;
        io::copy(&mut self.socket.take(MAX_DRAINED), &mut io::sink())?;
        Ok(())
    }
}

impl Caller for TcpStream {
    fn hangs_up_within(&self, time: Duration) -> bool {
        let began = Instant::now();
        loop {
            let left = time.saturating_sub(began.elapsed());
            if left.is_zero() {
                return false;
            }
            if hung_up(self, left.min(LOOK)) {
                return true;
            }
        }
    }
}

/// Looks for that long whether the client has closed the connection.
fn hung_up(socket: &TcpStream, time: Duration) -> bool {
    if socket.set_read_timeout(Some(time)).is_err() {
        return true;
    }
    let seen = socket.peek(&mut [0]);
    let reset = socket.set_read_timeout(None);
    match seen {
        Ok(0) => true,
        Ok(_) => {
            // The next request is there already, and hides the end.
            thread::sleep(time);
            reset.is_err()
        }
        Err(error) => !matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
        ),
    }
}

fn received(head: Request<()>, body: Vec<u8>) -> ReceivedRequest {
    let (head, ()) = head.into_parts();
    ReceivedRequest {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
    }
}

fn check_announced(reply: &Reply<RecvBody>) -> Result<(), Failure> {
    match reply.body_mode() {
        BodyMode::LengthDelimited(length) if length > MAX_BODY as u64 => {
            Err(Failure::Refused(StatusCode::PAYLOAD_TOO_LARGE))
        }
        _ => Ok(()),
    }
}

/// A POST that announces no body has none; `ureq_proto` would wait for chunks.
fn end_unframed(reply: &mut Reply<RecvBody>, head: &Request<()>) -> Result<(), Failure> {
    let unframed = !head.headers().contains_key(TRANSFER_ENCODING);
    if unframed && reply.body_mode() == BodyMode::Chunked {
        reply.read(b"0\r\n\r\n", &mut [])?;
    }
    Ok(())
}

fn write(
    reply: Reply<ProvideResponse>,
    head: http::Response<()>,
    body: &[u8],
    output: &mut Vec<u8>,
) -> Result<Reply<Cleanup>, Error> {
    let mut reply = reply.provide(head)?;
    let mut part = vec![0; BUFFER];
    while !reply.is_finished() {
        let written = reply.write(&mut part)?;
        output.extend(part.iter().take(written));
    }
    match reply.proceed() {
        SendResponseResult::SendBody(reply) => write_body(reply, body, output),
        SendResponseResult::Cleanup(reply) => Ok(reply),
    }
}

fn write_body(
    mut reply: Reply<SendBody>,
    mut body: &[u8],
    output: &mut Vec<u8>,
) -> Result<Reply<Cleanup>, Error> {
    let mut part = vec![0; BUFFER];
    loop {
        let (used, written) = reply.write(body, &mut part)?;
        output.extend(part.iter().take(written));
        body = body.get(used..).unwrap_or_default();
        // Looked at last: an empty body, too, ends only with a write.
        if reply.is_finished() {
            return Ok(reply.proceed());
        }
    }
}
