//! The interface between the server and the code that responds: limits, requests and responses.

use std::fmt;
use std::net::TcpStream;
use std::time::Duration;

use ureq::http::header::CONTENT_TYPE;
use ureq::http::{self, HeaderName, HeaderValue, StatusCode};

/// A request with its whole body.
pub(crate) type Request = http::Request<Vec<u8>>;

/// Responds to requests. All connections share one service, and each calls it from its own thread.
pub(crate) trait Service: Send + Sync + 'static {
    /// Returns the response, or `None` to close the connection without one.
    fn respond(&self, request: Request, client: &TcpStream) -> Option<Response>;

    /// Returns the response to bytes that are not an acceptable request. The connection closes after that response.
    fn refuse(&self, status: StatusCode) -> Response;
}

/// The limits of one server.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// The maximum size of a request line and its headers, in bytes.
    pub(crate) head: usize,
    /// The maximum size of a request's body, in bytes.
    pub(crate) body: usize,
    /// The time from the end of one response, or from the connection's start, to the last byte of the next request.
    pub(crate) request_time: Duration,
    /// The maximum number of open connections. The oldest idle connection closes to make room for a new one.
    pub(crate) connections: usize,
    /// The longest wait for responses in progress when the server is dropped.
    pub(crate) grace: Duration,
}

/// A response, and a function to call once it has been sent.
pub(crate) struct Response {
    /// Boxed, because some functions return a response as their error, and errors should be small.
    pub(crate) message: Box<http::Response<Vec<u8>>>,
    /// Called once the response has been sent or sending has failed. The function may wake a thread that ends
    /// the program, so an earlier call could prevent the response.
    pub(crate) on_sent: Option<Box<dyn FnOnce() + Send>>,
}

impl Response {
    /// A status outside of 100 to 999 becomes 500, because HTTP cannot express it.
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut message = Box::new(http::Response::new(body.into()));
        *message.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let response = Self {
            message,
            on_sent: None,
        };
        response.header(CONTENT_TYPE, content_type)
    }

    /// Sets a header. Omits it if its value is not allowed in HTTP.
    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.message.headers_mut().insert(name, value);
        }
        self
    }
}

/// Omits the headers and the body, which may contain credentials.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.message.status();
        f.debug_tuple("Response").field(&status).finish()
    }
}
