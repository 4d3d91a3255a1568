//! Runs the program `nexus` against a gateway in this process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test panics"
)]

mod commands;
mod connect;
#[cfg(windows)]
mod console;
mod credential;
#[cfg(unix)]
mod ending;
mod fetch;
mod gateway;
mod hand_on;
mod help;
mod people;
#[cfg(any(unix, windows))]
mod slow;
#[cfg(unix)]
mod streams;
#[cfg(target_os = "linux")]
mod terminal;

#[path = "../../../../tests/support/example.rs"]
mod example;

#[cfg(unix)]
#[path = "../../../../tests/support/signals.rs"]
mod signals;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;
#[cfg(unix)]
use std::{
    thread,
    time::{Duration, Instant},
};

use nexus_sdk::serde_json::{self, Value};
use nexus_sdk::testing::{DevGateway, DevGatewayBuilder, Fault};

const KEY: &str = "key-of-the-gateway";

/// A gateway with a connection of `acme` to each provider. Commands are configured for it.
struct Bench {
    gateway: DevGateway,
    github: String,
    registry: String,
    directory: PathBuf,
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Bench {
    fn new(name: &str) -> Self {
        Self::with(name, DevGateway::builder())
    }

    fn with(name: &str, builder: DevGatewayBuilder) -> Self {
        let gateway = builder.api_key(KEY).start().unwrap();
        gateway.connect("acme", "weather").unwrap();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        Self {
            github: gateway.connect("acme", "github").unwrap(),
            registry: gateway.connect("acme", "registry").unwrap(),
            gateway,
            directory,
        }
    }

    /// `{url}`, `{github}`, `{registry}` and `{dir}` stand for the gateway's address, the ids of two
    /// connections and a directory for files.
    fn filled(&self, text: &str) -> String {
        text.replace("{url}", self.gateway.url())
            .replace("{github}", &self.github)
            .replace("{registry}", &self.registry)
            .replace("{dir}", self.directory.to_str().unwrap())
    }

    /// Splits the arguments at spaces; `'` quotes.
    fn command(&self, args: &str) -> Command {
        let mut command = program();
        command
            .args(words(args).iter().map(|word| self.filled(word)))
            .env("NEXUS_GATEWAY_URL", self.gateway.url())
            .env("NEXUS_API_KEY", KEY)
            .env("WORKSPACE_ID", "acme")
            .env("PROVIDER", "github");
        command
    }

    fn run(&self, args: &str) -> Ran {
        self.run_with(args, b"")
    }

    fn run_with(&self, args: &str, stdin: &[u8]) -> Ran {
        finish(spawn(&mut self.command(args)), stdin)
    }

    /// Runs a command with another value for a variable of its environment.
    fn run_in(&self, args: &str, name: &str, value: impl AsRef<OsStr>) -> Ran {
        finish(spawn(self.command(args).env(name, value)), b"")
    }

    /// Lets the gateway respond to the next request for a path with this JSON.
    fn reply(&self, path: &str, status: u16, body: &Value) {
        let reply = Fault::reply(status, "application/json", body.to_string());
        self.gateway.fail_next_at(path, 1, reply);
    }

    /// Takes arguments, exit code, and a part of the line on stderr. Nothing may go to stdout.
    fn assert_errors(&self, cases: &[(&str, i32, &str)]) {
        for (args, code, part) in cases {
            let ran = self.run(args);
            ran.assert_error(*code, part, args);
            assert_eq!(ran.out, "", "{args}");
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn program() -> Command {
    example::configured(Path::new(env!("CARGO_BIN_EXE_nexus")))
}

fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Gives a command the environment of another command.
#[cfg(target_os = "linux")]
fn copy_environment(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}

/// Checks until there is a result.
#[cfg(unix)]
fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "waited in vain until {what}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}

fn finish(mut child: Child, stdin: &[u8]) -> Ran {
    // A program that does not read its stdin may have ended.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// Fails unless stderr is one line that starts with the program's name.
    fn assert_error(&self, code: i32, part: &str, what: &str) {
        assert_eq!(self.code, code, "{what}: {}", self.err);
        // The SDK also logs that a token cannot be renewed.
        let lines = self.err.lines();
        let mut own = lines.filter(|line| !line.contains("a token cannot be renewed: "));
        let is_own = own.next().is_some_and(|line| line.starts_with("nexus: "));
        assert!(is_own && own.next().is_none(), "{what}: {}", self.err);
        assert!(self.err.contains(part), "{what}: {}", self.err);
    }

    /// Returns the error that a command with `--json` prints on stderr.
    fn json_error(&self, code: i32, what: &str) -> Value {
        assert_eq!(self.code, code, "{what}: {}", self.err);
        // `connect` also says what it waits for, and any command that it waits for a refresh.
        let lines: Vec<_> = self.err.lines().filter(|it| it.starts_with('{')).collect();
        assert_eq!(lines.len(), 1, "{what}: {}", self.err);
        let line = lines.concat();
        let error: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("{what}: {}", self.err));
        assert_eq!(error["exit_code"], code, "{what}: {error}");
        error
    }

    fn json(&self, what: &str) -> Value {
        assert_eq!(self.code, 0, "{what}: {}", self.err);
        assert_eq!(self.out.lines().count(), 1, "{what}: {}", self.out);
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{what}: {}", self.out))
    }
}

/// Splits a line into words: `a 'b c' ''` has three.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}
