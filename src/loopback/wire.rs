//! One connection: HTTP/1.1 as `ureq_proto` implements it, on a socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use ureq::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use ureq::http::{self, HeaderValue, StatusCode};
use ureq_proto::server::state::{Cleanup, ProvideResponse, RecvBody, RecvRequest};
use ureq_proto::server::{RecvRequestResult, Reply, SendResponseResult};
use ureq_proto::{BodyMode, Error};

use super::service::{Limits, Request, Response};
use crate::time::Deadline;

const BUFFER: usize = 16 * 1024;
/// The limit on the status line and headers of a response. If they exceed it, the connection closes without a response.
const MAX_RESPONSE_HEAD: usize = 16 * 1024;
const MAX_DRAINED: u64 = 64 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The reason why no request could be read.
#[derive(Debug, PartialEq)]
pub(super) enum Failure {
    /// The client has closed the connection or was too slow.
    Closed,
    /// The client sent something other than an acceptable request.
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

pub(super) struct Wire<'a> {
    socket: &'a TcpStream,
    limits: Limits,
    /// Bytes that were received but not parsed yet.
    input: Vec<u8>,
    /// The deadline for receiving the current request.
    deadline: Deadline,
}

impl<'a> Wire<'a> {
    pub(super) fn new(socket: &'a TcpStream, limits: Limits) -> Self {
        Self {
            socket,
            limits,
            input: Vec::new(),
            deadline: Deadline::after(limits.request_time),
        }
    }

    /// Reads a request with its body, within the limit `request_time`.
    pub(super) fn read_request(&mut self) -> Result<(Reply<ProvideResponse>, Request), Failure> {
        self.deadline = Deadline::after(self.limits.request_time);
        let (reply, head) = self.read_head()?;
        let with_body = match reply.proceed().ok_or(Failure::Closed)? {
            RecvRequestResult::ProvideResponse(reply) => {
                return Ok((reply, head.map(|()| Vec::new())));
            }
            RecvRequestResult::RecvBody(reply) => reply,
            RecvRequestResult::Send100(reply) => {
                let mut go_on = [0; 64];
                let (used, accepted) = reply.accept(&mut go_on)?;
                self.check_announced(&accepted)?;
                self.socket
                    .write_all(go_on.get(..used).unwrap_or_default())?;
                accepted
            }
        };
        let is_chunked = head.headers().contains_key(TRANSFER_ENCODING);
        let (ended, body) = self.read_body(with_body, is_chunked)?;
        Ok((ended, head.map(|()| body)))
    }

    fn read_head(&mut self) -> Result<(Reply<RecvRequest>, http::Request<()>), Failure> {
        let mut reply = Reply::new()?;
        // Without this, the body of a HEAD or CONNECT request would be parsed as the next request.
        reply.force_recv_body();
        loop {
            let (used, head) = reply.try_request(&self.input)?;
            let length = if head.is_some() {
                used
            } else {
                self.input.len()
            };
            if length > self.limits.head {
                return Err(Error::HttpParseTooManyHeaders.into());
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
        mut reply: Reply<RecvBody>,
        is_chunked: bool,
    ) -> Result<(Reply<ProvideResponse>, Vec<u8>), Failure> {
        self.check_announced(&reply)?;
        if !is_chunked && reply.body_mode() == BodyMode::Chunked {
            // A POST without a length has no body, but `ureq_proto` would wait for chunks.
            reply.read(b"0\r\n\r\n", &mut [])?;
        }
        let mut body = Vec::new();
        let mut part = vec![0; BUFFER];
        while !reply.is_ended() {
            let (used, got) = reply.read(&self.input, &mut part)?;
            self.input.drain(..used);
            body.extend_from_slice(part.get(..got).unwrap_or_default());
            if body.len() > self.limits.body {
                return Err(Failure::Refused(StatusCode::PAYLOAD_TOO_LARGE));
            }
            if used == 0 && !reply.is_ended() {
                self.fill()?;
            }
        }
        Ok((reply.proceed()?, body))
    }

    fn check_announced(&self, reply: &Reply<RecvBody>) -> Result<(), Failure> {
        let max = u64::try_from(self.limits.body).unwrap_or(u64::MAX);
        match reply.body_mode() {
            BodyMode::LengthDelimited(length) if length > max => {
                Err(Failure::Refused(StatusCode::PAYLOAD_TOO_LARGE))
            }
            _ => Ok(()),
        }
    }

    /// Reads at least one byte.
    fn fill(&mut self) -> Result<(), Failure> {
        // Only invalid framing leaves this much unparsed.
        if self.input.len() > self.limits.head {
            return Err(Failure::Refused(StatusCode::BAD_REQUEST));
        }
        let mut part = [0; BUFFER];
        loop {
            let left = self.deadline.left().ok_or(Failure::Closed)?;
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.read(&mut part) {
                Ok(0) => return Err(Failure::Closed),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                got => {
                    let received = part.get(..got?).unwrap_or_default();
                    self.input.extend_from_slice(received);
                    return Ok(());
                }
            }
        }
    }

    /// Sends a response and returns whether the connection stays open.
    pub(super) fn send(
        &mut self,
        reply: Reply<ProvideResponse>,
        response: Response,
    ) -> io::Result<bool> {
        let (mut head, body) = response.message.into_parts();
        let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
        if !head.status.is_informational() && !bodiless.contains(&head.status) {
            let length = HeaderValue::from(body.len());
            head.headers.insert(CONTENT_LENGTH, length);
        }
        // Fails if a service returns a response that HTTP does not allow for this request.
        let encoded = encode(reply, http::Response::from_parts(head, ()), &body);
        let sent = encoded
            .map_err(io::Error::other)
            .and_then(|(reply, mut bytes, body)| {
                // One write, so that a short response is one packet.
                let (start, rest) = body.split_at(body.len().min(BUFFER));
                bytes.extend_from_slice(start);
                self.socket.write_all(&bytes)?;
                self.socket.write_all(rest)?;
                Ok(!reply.must_close_connection())
            });
        if let Some(on_sent) = response.on_sent {
            on_sent();
        }
        sent
    }

    /// Responds to bytes that were not an acceptable request. The connection has to close after that.
    pub(super) fn refuse(&mut self, response: Response) -> io::Result<bool> {
        // `ureq_proto` can only respond to a request, so it parses this made-up request.
        let stand_in = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        let mut reply = Reply::new().map_err(io::Error::other)?;
        reply.try_request(stand_in).map_err(io::Error::other)?;
        match reply.proceed() {
            Some(RecvRequestResult::ProvideResponse(reply)) => {
                self.send(reply, response.header(CONNECTION, "close"))
            }
            _ => Ok(false),
        }
    }

    /// Ends the response, then reads and discards what the client still sends. Closing a socket with unread bytes would
    /// reset the connection, and the client could lose the response.
    pub(super) fn drain(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
        let _ = self.socket.set_read_timeout(Some(DRAIN_TIME));
        let _ = io::copy(&mut self.socket.take(MAX_DRAINED), &mut io::sink());
    }
}

/// The encoded head of a response and its body.
type Encoded<'a> = (Reply<Cleanup>, Vec<u8>, &'a [u8]);

/// Encodes the head of a response. The body becomes empty if this response must not have a body.
fn encode(
    reply: Reply<ProvideResponse>,
    head: http::Response<()>,
    body: &[u8],
) -> Result<Encoded<'_>, Error> {
    let mut bytes = vec![0; MAX_RESPONSE_HEAD];
    let mut sent_head = reply.provide(head)?;
    let mut length = 0_usize;
    while !sent_head.is_finished() {
        let room = bytes.get_mut(length..).unwrap_or_default();
        length = length.saturating_add(sent_head.write(room)?);
    }
    bytes.truncate(length);
    match sent_head.proceed() {
        SendResponseResult::Cleanup(ended) => Ok((ended, bytes, &[])),
        SendResponseResult::SendBody(mut sent_body) => {
            sent_body.consume_direct_write(body.len())?;
            if !sent_body.is_finished() {
                return Err(Error::OutputOverflow);
            }
            Ok((sent_body.proceed(), bytes, body))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    const LIMITS: Limits = Limits {
        head: 1024,
        body: 1024,
        request_time: Duration::from_millis(100),
        connections: 1,
        grace: Duration::ZERO,
    };

    #[test]
    fn sending_slowly_does_not_extend_the_time_of_a_request() {
        let table = [
            "GET / HTTP/1.1\r\nA: ",
            "POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n",
        ];
        for start in table {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut slow = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            let sender = thread::spawn(move || {
                let _ = slow.write_all(start.as_bytes());
                while slow.write_all(b"a").is_ok() {
                    thread::sleep(Duration::from_millis(20));
                }
            });
            // The sender sends a byte every 20 ms. If the limit applied to each read instead of the whole request, the
            // first case would end after 20 s with status 431, and the second with a complete request.
            let found = Wire::new(&stream, LIMITS).read_request();
            assert_eq!(found.err(), Some(Failure::Closed), "{start}");
            drop(stream);
            sender.join().unwrap();
        }
    }

    #[test]
    fn a_chunked_body_ends_at_the_limit() {
        let chunk = format!("80\r\n{}\r\n", "x".repeat(128));
        for (chunks, refused) in [(8, None), (9, Some(StatusCode::PAYLOAD_TOO_LARGE))] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().unwrap();
            let body = chunk.repeat(chunks);
            let request =
                format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n");
            client.write_all(request.as_bytes()).unwrap();
            let found = Wire::new(&stream, LIMITS).read_request();
            assert_eq!(found.err(), refused.map(Failure::Refused), "{chunks}");
        }
    }
}
