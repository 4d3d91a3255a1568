//! A client of an MCP server that sends valid and invalid messages.
#![allow(dead_code, reason = "the tests of the small server need a part of it")]

use std::io::{BufRead as _, BufReader, Read, Write};
#[cfg(unix)]
use std::os::{fd::OwnedFd, unix::net::UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

#[cfg(unix)]
use crate::signals::signal;
use crate::{MODERN, command};

/// Longer than any server takes that does not hang.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    child: Child,
    input: Option<Box<dyn Write + Send>>,
    lines: Receiver<String>,
    revision: &'static str,
    capabilities: Value,
    next: u64,
}

impl Client {
    /// Starts the demo with all tools, and sends nothing.
    pub(crate) fn demo() -> Self {
        Self::start(command().args(["--demo", "--bench"]))
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let input = child.stdin.take().unwrap();
        Self::of_pipes(child, input, output)
    }

    /// Gives the server a non-blocking stdin and stdout, as a wrapper in Node does, and reads its output slowly.
    #[cfg(unix)]
    pub(crate) fn start_non_blocking(command: &mut Command) -> Self {
        let ends = || {
            let (own, servers) = UnixStream::pair().unwrap();
            servers.set_nonblocking(true).unwrap();
            (own, OwnedFd::from(servers))
        };
        let ((input, stdin), (output, stdout)) = (ends(), ends());
        command.stdin(stdin).stdout(stdout);
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        // Closes the server's ends here.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self::of_pipes(child, input, Slow(output))
    }

    fn of_pipes(
        child: Child,
        input: impl Write + Send + 'static,
        output: impl Read + Send + 'static,
    ) -> Self {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).split(b'\n');
            let mut lines = lines.map_while(Result::ok);
            lines.try_for_each(|line| sender.send(String::from_utf8(line).unwrap()))
        });
        Self {
            child,
            input: Some(Box::new(input)),
            lines,
            revision: "",
            capabilities: json!({}),
            next: 0,
        }
    }

    /// Gives the client the capability to open pages.
    pub(crate) fn that_opens_pages(mut self) -> Self {
        self.capabilities = json!({"elicitation": {"url": {}}});
        self
    }

    /// Starts the demo with all tools, and begins a session.
    pub(crate) fn of(revision: &'static str) -> Self {
        Self::demo().begin(revision)
    }

    pub(crate) fn begin(mut self, revision: &'static str) -> Self {
        self.revision = revision;
        if revision == MODERN {
            let found = self.ask("server/discover", json!({}))["result"].take();
            assert_eq!(found["supportedVersions"], json!([MODERN]));
        } else {
            let params = json!({"protocolVersion": revision, "capabilities": self.capabilities});
            let response = self.ask("initialize", params);
            assert_eq!(response["result"]["protocolVersion"], revision);
            self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        }
        self
    }

    pub(crate) fn write(&mut self, line: &str) {
        self.write_bytes(format!("{line}\n").as_bytes());
    }

    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.write(&message.to_string());
    }

    /// Sends a request of the revision in use and returns its id.
    pub(crate) fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next += 1;
        let message = self.message(self.next, method, params);
        self.send(&message);
        self.next
    }

    pub(crate) fn message(&self, id: u64, method: &str, mut params: Value) -> Value {
        if self.revision == MODERN {
            for (name, value) in meta(MODERN).as_object().unwrap() {
                params["_meta"][name] = value.clone();
            }
            params["_meta"][CAPABILITIES] = self.capabilities.clone();
        }
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    }

    /// Calls `get_user`.
    pub(crate) fn user(&mut self) -> Result<String, String> {
        self.text("get_user", &json!({}))
    }

    /// Sends a call of a tool and returns its id.
    pub(crate) fn call(&mut self, name: &str, arguments: &Value) -> u64 {
        self.request("tools/call", json!({"name": name, "arguments": arguments}))
    }

    pub(crate) fn cancel(&mut self, id: u64) {
        let params = json!({"requestId": id, "reason": "test"});
        self.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}),
        );
    }

    pub(crate) fn line(&mut self) -> String {
        self.lines.recv_timeout(TIMEOUT).expect("a response")
    }

    pub(crate) fn response(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Sends a request and returns the next message, which must be its response.
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let response = self.response();
        assert_eq!(response["id"], id, "{response}");
        response
    }

    /// Sends a ping, whose response must be the next message.
    pub(crate) fn ping(&mut self) {
        assert_eq!(self.ask("ping", json!({}))["result"], json!({}));
    }

    /// Calls a tool and returns the text of the result, as an error if it is one.
    pub(crate) fn text(&mut self, name: &str, arguments: &Value) -> Result<String, String> {
        let response = self.ask("tools/call", json!({"name": name, "arguments": arguments}));
        outcome(&response)
    }

    /// Closes stdin, and returns the messages until the server ends. Its exit code must be 0.
    pub(crate) fn close(mut self) -> Vec<Value> {
        drop(self.input.take());
        self.rest()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Sends SIGTERM, and returns the messages until the server ends. Its exit code must be 0.
    #[cfg(unix)]
    pub(crate) fn terminate(self) -> Vec<Value> {
        self.signal("TERM");
        self.rest()
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn is_stopped(&self) -> bool {
        self.status("State") == "T (stopped)"
    }

    /// Returns the most memory that the server has used, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> usize {
        let peak = self.status("VmHWM");
        let kilobytes: usize = peak.strip_suffix(" kB").unwrap().parse().unwrap();
        kilobytes << 10
    }

    /// Returns a field of the process's status.
    #[cfg(target_os = "linux")]
    fn status(&self, name: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let mut fields = status.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = fields.find(|(field, _)| *field == name).unwrap();
        value.trim().to_owned()
    }

    /// Returns the messages until the server ends. Its exit code must be 0.
    pub(crate) fn rest(mut self) -> Vec<Value> {
        let rest = self.until_the_end();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        rest
    }

    /// Returns the messages until the server has closed stdout, while its stdin stays open.
    pub(crate) fn until_the_end(&mut self) -> Vec<Value> {
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(TIMEOUT) {
                Ok(line) => rest.push(serde_json::from_str(&line).unwrap()),
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("the server runs on"),
            }
        }
    }
}

/// Reads at most 8 MB/s.
struct Slow<R>(R);

impl<R: Read> Read for Slow<R> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        thread::sleep(Duration::from_millis(1));
        self.0.read(bytes)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

pub(crate) fn meta(version: &str) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": version,
        CAPABILITIES: {},
    })
}

pub(crate) fn outcome(response: &Value) -> Result<String, String> {
    let result = &response["result"];
    let text = result["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("no text: {response}"));
    let is_error = result["isError"] == true;
    let outcome = if is_error { Err } else { Ok };
    outcome(text.to_owned())
}

pub(crate) fn ids(responses: &[Value]) -> Vec<u64> {
    let ids = responses.iter().map(|it| it["id"].as_u64().unwrap());
    ids.collect()
}
