//! A browser as far as the listener sees it: one request a connection, and what it is told.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use super::support::LONG;

/// A response, in full.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) html: String,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Returns the text between two texts.
pub(crate) fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap();
    rest.split_once(end).unwrap().0
}

/// Authority and path of a URL of the listener.
pub(crate) fn parts(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("http://").unwrap();
    rest.split_at(rest.find('/').unwrap())
}

pub(crate) fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(parts(url).0).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// Opens 180 connections and sends the start of a request on each. The listener serves 64 connections, and closes the
/// oldest after a second to make room. A later connection therefore waits for about 2 s. The connections are not opened
/// again, because the listener could close the connection of a test to make room for them.
pub(crate) fn half_open(url: &str) {
    for _ in 0..180 {
        let mut stream = connect(url);
        stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        // Under Wine, a connection that the listener has closed ends only once its client closes it too.
        thread::spawn(move || stream.read(&mut [0]));
    }
}

/// Sends these bytes to the listener, and returns its response. The status is 0 if the connection ends without a response.
pub(crate) fn send(url: &str, bytes: &[u8]) -> Page {
    let mut stream = connect(url);
    // The listener may refuse the request and close the connection before all bytes are sent.
    let _ = stream.write_all(bytes);
    response(stream)
}

pub(crate) fn response(mut stream: TcpStream) -> Page {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let _ = stream.shutdown(Shutdown::Both);
    let text = String::from_utf8(text).unwrap();
    let (head, html) = text.split_once("\r\n\r\n").unwrap_or_default();
    let status = head
        .split(' ')
        .nth(1)
        .map_or(0, |code| code.parse().unwrap());
    Page {
        status,
        head: head.to_owned(),
        html: html.to_owned(),
    }
}

/// Follows a link.
pub(crate) fn get(url: &str) -> Page {
    let (host, path) = parts(url);
    send(
        url,
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(),
    )
}
