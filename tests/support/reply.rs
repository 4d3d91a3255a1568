//! The replies of the scripted server.

use std::fmt::Write as _;
use std::time::Duration;

use nexus_sdk::serde_json::Value;

use super::server::LONG;

/// Bytes, and what happens to the connection after them.
#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
    pub(crate) byte_by_byte: bool,
    /// The server closes the connection after this time at the latest.
    pub(crate) limit: Duration,
}

/// Turns a call that would hang into a failure.
const LIMIT: Duration = Duration::from_secs(LONG.as_secs() + 10);

#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Waits for the next request.
    Keep,
    Close,
    /// Sends nothing more and keeps the connection open.
    Hold,
    /// Closes the server's side, and waits for the client to close its side.
    HalfClose,
    /// Resets the connection. Needs `Server::resetting`.
    Reset,
    /// Sends these bytes again and again, slowly.
    Drip(&'static [u8]),
    /// Sends these bytes again and again, as fast as the client reads them.
    Flood(&'static [u8]),
}

impl Reply {
    pub(crate) fn then(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    pub(crate) fn byte_by_byte(mut self) -> Self {
        self.byte_by_byte = true;
        self
    }

    pub(crate) fn at_most(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }
}

/// Returns a reply of exactly these bytes, after which the connection ends.
pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Reply {
    Reply {
        bytes: bytes.into(),
        end: End::Close,
        byte_by_byte: false,
        limit: LIMIT,
    }
}

/// A response with a `Content-Length`.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
    let mut head = format!("HTTP/1.1 {status} Some Reason\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    let body = body.as_ref();
    if !matches!(status, 204 | 304) {
        write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    head.push_str("\r\n");
    Reply {
        bytes: [head.as_bytes(), body].concat(),
        end: End::Keep,
        byte_by_byte: false,
        limit: LIMIT,
    }
}

pub(crate) fn text(status: u16, body: &str) -> Reply {
    reply(status, &[("Content-Type", "text/plain")], body)
}

pub(crate) fn json(status: u16, body: &Value) -> Reply {
    reply(
        status,
        &[("Content-Type", "application/json")],
        body.to_string(),
    )
}

pub(crate) fn redirect(status: u16, location: &str) -> Reply {
    reply(status, &[("Location", location)], "moved")
}
