//! A gateway that is slow to respond, and the programs that wait for it.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command};

use crate::{program, spawn};

const BODY: &str = r#"{"access_token": "t-1", "expires_in": 3600}"#;

/// A gateway that responds when the test says so.
pub(crate) struct Slow {
    listener: TcpListener,
}

impl Slow {
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let url = format!("http://{}", self.listener.local_addr().unwrap());
        let mut command = program();
        command
            .args(args)
            .envs([("NEXUS_GATEWAY_URL", url.as_str()), ("NEXUS_LOCK_DIR", "")])
            .envs([("WORKSPACE_ID", "acme"), ("PROVIDER", "github")]);
        command
    }

    /// Accepts the next request and reads its head.
    pub(crate) fn asked(&self) -> TcpStream {
        let (mut stream, _) = self.listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream
    }
}

/// Sends the response, and returns whether the client had waited for it.
pub(crate) fn respond(mut stream: TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let hung_up = matches!(stream.read(&mut [0]), Ok(0));
    stream.set_nonblocking(false).unwrap();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    let response = format!("{head}\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    stream.write_all(response.as_bytes()).is_ok() && !hung_up
}

pub(crate) fn slow() -> Slow {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    Slow { listener }
}

/// Starts a command and returns it with its first request, which has no response yet.
pub(crate) fn started(slow: &Slow, args: &[&str]) -> (Child, BufReader<ChildStderr>, TcpStream) {
    started_by(slow, &mut slow.command(args))
}

pub(crate) fn started_by(
    slow: &Slow,
    command: &mut Command,
) -> (Child, BufReader<ChildStderr>, TcpStream) {
    let mut child = spawn(command);
    let stderr = BufReader::new(child.stderr.take().unwrap());
    (child, stderr, slow.asked())
}

/// Reads lines until one contains the text.
pub(crate) fn expect(stderr: &mut impl BufRead, text: &str) {
    let mut seen = String::new();
    while !seen.contains(text) {
        assert!(
            stderr.read_line(&mut seen).unwrap() > 0,
            "no {text:?}: {seen}"
        );
    }
}

pub(crate) const WAITING: &str = "waiting up to 5 s for the gateway";
