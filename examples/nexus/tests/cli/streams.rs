//! Standard streams that are non-blocking, as those that Node shares with the programs that it starts, and streams that
//! break. A socket stands for the pipe, because it can be made non-blocking without unsafe code.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nexus_sdk::testing::Fault;

use crate::Bench;

/// Returns both ends of a stream. The second end, for the program, is non-blocking.
fn stream() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    (ours, theirs)
}

fn stdio(stream: UnixStream) -> Stdio {
    OwnedFd::from(stream).into()
}

/// Writes until the stream is full. Returns the number of bytes.
fn fill(stream: &mut UnixStream) -> usize {
    std::iter::from_fn(|| stream.write(&[b'x'; 1024]).ok()).sum()
}

/// Long enough for the program to read an empty stream, or to fill one.
const PAUSE: Duration = Duration::from_millis(300);

fn start(mut command: Command, stdin: Stdio) -> Child {
    let command = command.stdin(stdin).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn stdin_is_waited_for() {
    let bench = Bench::new("stdin");
    let token = bench.run("token --show").out;
    // (arguments, two parts of the input, a part of the result)
    for (args, first, second, part) in [
        (
            "fetch -d @- {url}/user/repos",
            "{\"name\": \"de",
            "mo\"}",
            "acme/demo",
        ),
        (
            "git-credential --host example.com get",
            "protocol=https\nho",
            "st=example.com\n",
            token.trim(),
        ),
        (
            "connect -p registry --field username --field password",
            "me\n",
            "p\n",
            "-",
        ),
        ("fetch -H @- {url}/user", "Accept: ", "*/*\n", "acme"),
    ] {
        let (mut ours, theirs) = stream();
        let child = start(bench.command(args), stdio(theirs));
        thread::sleep(PAUSE);
        ours.write_all(first.as_bytes()).unwrap();
        thread::sleep(PAUSE);
        ours.write_all(second.as_bytes()).unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args}: {err}");
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(out.contains(part), "{args}: {out}");
    }
}

#[test]
fn a_full_stdout_is_waited_for() {
    let bench = Bench::new("stdout");
    // Longer than the buffers of a socket; lines, and one line.
    for body in ["a line of text\n".repeat(200_000), "x".repeat(3_000_000)] {
        let fault = Fault::reply(200, "text/plain", body.clone());
        bench.gateway.fail_next_at("/user", 1, fault);
        let (mut ours, theirs) = stream();
        let mut command = bench.command("fetch {url}/user");
        let child = command.stdin(Stdio::null()).stdout(stdio(theirs));
        let child = child.stderr(Stdio::piped()).spawn().unwrap();
        // The command keeps the other end open.
        drop(command);
        thread::sleep(PAUSE);
        let mut got = String::new();
        ours.read_to_string(&mut got).unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*err), (Some(0), ""));
        assert!(got == body, "{} of {} bytes", got.len(), body.len());
    }
}

#[test]
fn a_full_stderr_is_waited_for() {
    let bench = Bench::new("stderr");
    let (mut ours, mut theirs) = stream();
    let filled = fill(&mut theirs);
    let mut command = bench.command("revok");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = child.stderr(stdio(theirs)).spawn().unwrap();
    drop(command);
    thread::sleep(PAUSE);
    let mut got = Vec::new();
    ours.read_to_end(&mut got).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(2));
    let line = String::from_utf8_lossy(&got[filled..]).into_owned();
    assert!(
        line.starts_with("nexus: ") && line.ends_with('\n'),
        "{line}"
    );
}

/// Input that breaks off is not taken for a shorter input.
#[test]
fn a_broken_stdin_is_an_error_and_nothing_is_sent() {
    let bench = Bench::new("broken");
    for args in [
        "fetch -d @- {url}/user/repos",
        "git-credential --host example.com get",
        "connect -p weather --field api_key",
    ] {
        bench.gateway.forget_requests();
        let (ours, mut theirs) = stream();
        // A socket that is closed with unread data breaks the other end.
        theirs.write_all(b"x").unwrap();
        drop(ours);
        let child = start(bench.command(args), stdio(theirs));
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args}: {err}");
        assert!(err.contains("cannot read stdin: "), "{args}: {err}");
        let sent = ["/user/repos", "/v1/resolve", "/v1/capture-credential"];
        let sent = sent.map(|path| bench.gateway.count(path));
        assert_eq!((sent, output.stdout.len()), ([0; 3], 0), "{args}");
    }
}
