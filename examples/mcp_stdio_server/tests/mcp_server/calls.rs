//! Calls side by side, their cancellation, and the end.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nexus_sdk::testing::{DevGateway, Fault, Provider};
use nexus_sdk::{NexusClient, NexusClientOptions};
use serde_json::{Value, json};

use crate::client::{Client, ids, outcome};
use crate::command;
use crate::upstream::{configured, wait_for};
use crate::{ALL, LEGACY};

/// Milliseconds. Longer than any test may run, so such a call ends only if it is cancelled.
const ENDLESS: u64 = 60_000;
/// The number of calls that the server runs at a time.
const CALLS: usize = 32;

fn slow(client: &mut Client, ms: u64) -> u64 {
    client.call("slow", &json!({"ms": ms}))
}

/// Runs a client of each revision, all at the same time.
fn of_all(run: impl Fn(Client) + Sync) {
    let run = &run;
    thread::scope(|threads| {
        for revision in ALL {
            threads.spawn(move || run(Client::of(revision)));
        }
    });
}

/// Each slow call comes after quick calls, so that the server cannot know beforehand that it is slow.
#[test]
fn a_slow_call_delays_nothing() {
    for revision in LEGACY {
        let mut client = Client::of(revision);
        for _ in 0..20 {
            for _ in 0..10 {
                assert!(client.text("slow", &json!({"ms": 0})).is_ok());
            }
            let waits = slow(&mut client, ENDLESS);
            client.ping();
            client.cancel(waits);
        }
        assert_eq!(client.close(), [] as [Value; 0]);
    }
}

#[test]
fn responses_come_in_the_order_of_their_ends() {
    of_all(|mut client| {
        let long = slow(&mut client, 500);
        let short = slow(&mut client, 0);
        let responses = [client.response(), client.response()];
        assert_eq!(ids(&responses), [short, long]);
    });
}

#[test]
fn a_cancelled_call_gets_no_response() {
    for revision in ALL {
        let mut client = Client::of(revision);
        for _ in 0..200 {
            let waits = slow(&mut client, ENDLESS);
            client.cancel(waits);
        }
        let finished = client.call("echo", &json!({"text": "a"}));
        assert_eq!(client.response()["id"], finished);
        client.cancel(finished);
        assert_eq!(client.text("echo", &json!({"text": "b"})), Ok("b".into()));
        assert_eq!(client.close(), [] as [Value; 0]);
    }
}

#[test]
fn ids_of_every_kind_can_be_cancelled() {
    for id in [r#""7""#, "9007199254740993", "18446744073709551615"] {
        let mut client = Client::of("2025-06-18");
        for _ in 1..CALLS {
            slow(&mut client, ENDLESS);
        }
        let call = r#""method":"tools/call","params":{"name":"slow","arguments":{"ms":60000}}"#;
        client.write(&format!(r#"{{"jsonrpc":"2.0","id":{id},{call}}}"#));
        let waiting = client.call("echo", &json!({"text": "a"}));
        let params = format!(r#"{{"reason":"{{\"requestId\"","requestId":{id}}}"#);
        let method = r#""method":"notifications/cancelled""#;
        client.write(&format!(
            r#"{{"jsonrpc":"2.0","id":null,{method},"params":{params}}}"#
        ));
        assert_eq!(client.response()["id"], waiting);
    }
}

/// The API never responds to the cancelled calls, so they occupy their threads until the end of the test.
#[test]
fn cancelled_calls_hold_up_no_other_call() {
    let gateway = DevGateway::builder().connection("it's mine", "github");
    let gateway = gateway.start().unwrap();
    let stuck = "/user/repos";
    gateway.fail_next_at(stuck, usize::MAX, Fault::Delay(Duration::MAX));
    let mut client = Client::start(&mut configured(&gateway)).begin("2025-11-25");
    let calls: Vec<_> = (0..2 * CALLS)
        .map(|_| client.call("list_repos", &json!({})))
        .collect();
    for (number, calls) in (1..).zip(calls.chunks(CALLS)) {
        wait_for(&gateway, stuck, number * CALLS);
        for id in calls {
            client.cancel(*id);
        }
    }
    assert!(client.user().is_ok());
    assert_eq!(gateway.count(stuck), 2 * CALLS);
}

#[test]
fn a_cancel_and_a_finish_can_meet() {
    let mut client = Client::of("2025-11-25");
    let mut finished = 0;
    for _ in 0..300 {
        let id = slow(&mut client, 0);
        client.cancel(id);
        let ping = client.request("ping", json!({}));
        while client.response()["id"] != ping {
            finished += 1;
        }
    }
    finished += client.close().len();
    assert!(finished <= 300, "one response each at most");
}

#[test]
fn a_panic_is_the_tools_own() {
    for revision in ALL {
        let mut client = Client::of(revision);
        for _ in 0..=CALLS {
            let problem = client.text("panic", &json!({})).unwrap_err();
            let is_clear = problem.contains("a bug in the server");
            assert!(is_clear && !problem.contains("was called"), "{problem}");
        }
        assert_eq!(client.text("echo", &json!({"text": "a"})), Ok("a".into()));
        assert_eq!(client.close(), [] as [Value; 0]);
    }
}

#[test]
fn whole_lines_come_from_many_threads() {
    let mut client = Client::of("2025-06-18");
    let text = "long ".repeat(20_000);
    let calls: Vec<_> = (0..CALLS + 8)
        .map(|_| client.call("echo", &json!({"text": text})))
        .collect();
    let mut finished: Vec<_> = calls.iter().map(|_| client.response()).collect();
    let mut outcomes = finished.iter().map(outcome);
    assert!(outcomes.all(|outcome| outcome.as_ref() == Ok(&text)));
    finished.sort_by_key(|response| response["id"].as_u64());
    assert_eq!(ids(&finished), calls);
}

#[test]
fn the_end_of_stdin_lets_calls_finish() {
    of_all(|mut client| {
        let id = slow(&mut client, 200);
        assert_eq!(ids(&client.close()), [id]);
    });
}

/// The ways to end a server, each on a thread of its own.
fn at_every_end(run: impl Fn(fn(Client) -> Vec<Value>) + Sync) {
    let ends: &[fn(Client) -> Vec<Value>] = &[
        Client::close,
        #[cfg(unix)]
        Client::terminate,
    ];
    let run = &run;
    thread::scope(|threads| {
        for end in ends {
            threads.spawn(move || run(*end));
        }
    });
}

#[test]
fn no_end_waits_for_an_endless_call() {
    at_every_end(|end| {
        let mut client = Client::of("2025-06-18");
        for _ in 0..CALLS + 8 {
            slow(&mut client, ENDLESS);
        }
        // The response shows that the server has read the calls.
        client.ping();
        assert_eq!(end(client), [] as [Value; 0]);
    });
}

/// Returns a gateway and a client that has just caused a refresh, which takes longer than calls may take at the end. If
/// the refresh is interrupted, the provider ends the connection.
fn refreshing() -> (DevGateway, Client) {
    let github = Provider::oauth2("github").refresh_time(Duration::from_secs(2));
    let gateway = DevGateway::builder()
        .provider(github)
        .connection("it's mine", "github")
        .token_lifetime(Duration::from_secs(60));
    let gateway = gateway.start().unwrap();
    let mut client = Client::start(&mut configured(&gateway)).begin("2025-11-25");
    assert!(client.user().is_ok());
    gateway.advance(Duration::from_secs(61));
    client.call("get_user", &json!({}));
    wait_for(&gateway, "/v1/resolve", 2);
    (gateway, client)
}

#[test]
fn the_end_waits_for_a_refresh() {
    at_every_end(|end| {
        let (gateway, client) = refreshing();
        let rest = end(client);
        assert_eq!(rest.len(), 1, "the call finishes with the new token");
        assert!(outcome(&rest[0]).is_ok(), "{rest:?}");
        let other = NexusClient::new(NexusClientOptions::new(gateway.url())).unwrap();
        assert!(other.resolve_token("it's mine", "github").is_ok());
    });
}

/// Shells and scripts send calls and close stdin at once.
#[test]
fn a_call_that_comes_with_the_end_gets_its_token() {
    let gateway = DevGateway::builder().connection("it's mine", "github");
    let gateway = gateway.start().unwrap();
    gateway.fail_next_at("/v1/resolve", 1, Fault::Delay(Duration::from_secs(2)));
    let mut client = Client::start(&mut configured(&gateway)).begin("2025-11-25");
    client.call("get_user", &json!({}));
    let rest = client.close();
    assert!(outcome(&rest[0]).is_ok(), "{rest:?}");
}

/// The SDK asks the gateway twice whether a connection is missing, with a pause of 0.5 s.
#[test]
fn a_call_that_comes_with_the_end_gets_its_page() {
    let gateway = DevGateway::start().unwrap();
    let mut client = Client::start(&mut configured(&gateway)).begin("2025-11-25");
    client.call("get_user", &json!({}));
    let problem = outcome(&client.close()[0]).unwrap_err();
    assert!(problem.contains("open this page"), "{problem}");
}

/// The call would wait for its turn for 30 s.
#[test]
fn the_end_waits_for_no_turn() {
    at_every_end(|end| {
        let gateway = DevGateway::builder().connection("it's mine", "github");
        let gateway = gateway.start().unwrap();
        let locks = lock_dir_for(gateway.url());
        let options = NexusClientOptions::new(gateway.url()).lock_dir(&locks);
        let other = NexusClient::new(options).unwrap();
        gateway.fail_next_at("/v1/resolve", 1, Fault::Delay(Duration::from_secs(4)));
        thread::scope(|threads| {
            threads.spawn(|| other.resolve_token("it's mine", "github"));
            wait_for(&gateway, "/v1/resolve", 1);
            let mut server = configured(&gateway);
            let mut client = Client::start(server.env("NEXUS_LOCK_DIR", &locks));
            client = client.begin("2025-11-25");
            client.call("get_user", &json!({}));
            client.ping();
            let start = Instant::now();
            let rest = end(client);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(2), "{took:?}");
            assert!(
                outcome(&rest[0]).unwrap_err().contains("timeout"),
                "{rest:?}"
            );
        });
        std::fs::remove_dir_all(locks).unwrap();
    });
}

/// Returns a directory for the locks of one gateway. No other test uses its port.
fn lock_dir_for(url: &str) -> std::path::PathBuf {
    let name: String = url.chars().filter(char::is_ascii_digit).collect();
    let folder = std::env::temp_dir().join(format!("mcp_stdio_server-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_z_waits_for_a_refresh() {
    let start = Instant::now();
    let (_gateway, mut client) = refreshing();
    let stop = |client: &Client| {
        client.signal("TSTP");
        while !client.is_stopped() {
            assert!(start.elapsed() < Duration::from_secs(40));
            thread::sleep(Duration::from_millis(5));
        }
    };
    stop(&client);
    let waited = start.elapsed() >= Duration::from_secs(2);
    assert!(waited, "stopped too early");
    client.signal("CONT");
    assert!(outcome(&client.response()).is_ok());
    // Without a refresh it stops at once.
    stop(&client);
    client.signal("CONT");
    client.ping();
}

#[cfg(unix)]
#[test]
fn signals_end_it_as_the_end_of_stdin_does() {
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        let client = Client::of("2025-06-18");
        client.signal(signal);
        assert_eq!(client.rest(), [] as [Value; 0], "{signal}");

        let mut client = Client::of("2025-06-18");
        let id = slow(&mut client, 200);
        let first = slow(&mut client, 0);
        assert_eq!(client.response()["id"], first);
        client.signal(signal);
        assert_eq!(ids(&client.rest()), [id], "{signal}");
    }
}

fn spawn(server: &mut Command) -> Child {
    server.stdin(Stdio::piped());
    server.stdout(Stdio::piped()).stderr(Stdio::piped());
    server.spawn().unwrap()
}

/// A sibling of the server holds the host's end of stdin open. Here, that is the test.
#[cfg(unix)]
#[test]
fn the_end_of_its_parent_ends_it() {
    let server = command();
    let mut host = Command::new("sh");
    host.args(["-c", r#"exec 3<&0; "$0" --demo <&3 & wait"#]);
    host.arg(server.get_program()).env_clear();
    host.stderr(Stdio::null());
    let mut client = Client::start(&mut host);
    client.ping();
    client.signal("KILL");
    assert_eq!(client.until_the_end(), [] as [Value; 0]);
}

#[test]
fn a_closed_stdout_ends_it() {
    let mut child = spawn(command().arg("--demo"));
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    // stdin stays open.
    let calls = [
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#,
    ];
    // The server may have ended before it has read the second line.
    let _ = input.write_all(format!("{}\n", calls.join("\n")).as_bytes());
    ends_with(child, "cannot write to stdout");
    drop(input);
}

/// The exit code of a server whose stdin or stdout has failed is not 0.
fn ends_with(child: Child, problem: &str) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let is_clear = said.contains(problem) && said.lines().count() == 1;
    assert!(is_clear, "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_stdin_that_cannot_be_read_and_a_full_disk_end_it() {
    let open = |path| std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let folder = std::fs::File::open("/").unwrap();
    let mut server = command();
    let server = server.arg("--demo").stderr(Stdio::piped());
    let child = server.stdin(folder).stdout(Stdio::null()).spawn().unwrap();
    ends_with(child, "cannot read stdin");

    let server = server.stdin(Stdio::piped()).stdout(open("/dev/full"));
    let mut child = server.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n")
        .unwrap();
    ends_with(child, "cannot write to stdout");
    drop(input);
}

#[cfg(unix)]
#[test]
fn a_non_blocking_stdin_and_a_full_stdout_are_waited_for() {
    let start = || Client::start_non_blocking(command().args(["--demo", "--bench"]));
    let mut client = start().begin("2025-03-26");
    let half = r#"{"jsonrpc":"2.0","id":"#;
    for part in [half, "7,", r#""method":"ping"}"#, "\r\n"] {
        client.write_bytes(part.as_bytes());
        thread::sleep(Duration::from_millis(40));
    }
    assert_eq!(client.response()["id"], 7);

    // The responses are a hundred times as long as the buffer of a pipe, and the client reads them slowly.
    let text = "long".repeat(50_000);
    let echo = json!({"name": "echo", "arguments": {"text": text}});
    let mut ids: Vec<_> = (0..30)
        .map(|_| client.request("tools/call", echo.clone()))
        .collect();
    let batch = (101..104).map(|id| client.message(id, "tools/call", echo.clone()));
    let batch: Value = batch.collect();
    client.send(&batch);
    ids.extend(101..104);
    let mut found = Vec::new();
    for line in client.close() {
        let line = line.as_array().cloned().unwrap_or_else(|| vec![line]);
        found.extend(line);
    }
    assert!(found.iter().all(|it| outcome(it).as_ref() == Ok(&text)));
    found.sort_by_key(|response| response["id"].as_u64());
    assert_eq!(crate::client::ids(&found), ids);
}

/// A client that stops reading does not keep the server.
#[cfg(unix)]
#[test]
fn a_stdout_that_stays_full_ends_it() {
    let (own, servers) = std::os::unix::net::UnixStream::pair().unwrap();
    servers.set_nonblocking(true).unwrap();
    let mut server = command();
    let server = server.args(["--demo", "--bench"]).stdin(Stdio::piped());
    let server = server.stdout(std::os::fd::OwnedFd::from(servers));
    let mut child = server.stderr(Stdio::piped()).spawn().unwrap();
    let call = |id: u64| {
        let text = "long".repeat(200_000);
        let params = json!({"name": "echo", "arguments": {"text": text}});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
    };
    let begin = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{begin}\n{}\n{}", call(1), call(2)).unwrap();
    drop(input);
    ends_with(child, "has not read all responses");
    drop(own);
}

#[test]
fn a_line_without_a_response_causes_one_line_on_stderr() {
    for (line, problem) in [
        (
            r#"{"method":"notifications/unknown"}"#,
            "an invalid message: a message must be an object",
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            "an invalid message: a request must have an \"id\"",
        ),
        (
            r#"[{"jsonrpc":"2.0","id":7,"result":{}}]"#,
            "this revision does not support batches",
        ),
    ] {
        let said = problem_of(line);
        assert!(
            said.starts_with("mcp_stdio_server: ") && said.contains(problem),
            "{said}"
        );
        assert!(
            said.lines().count() == 1 && said.len() < 300,
            "{}",
            said.len()
        );
    }
}

/// Some clients do not report an error without an id. Without a line break, the last line was cut, unless it is JSON.
#[test]
fn an_error_without_an_id_is_also_reported_on_stderr() {
    // (a line, its error's code, a part of the problem, the exit code)
    for (line, code, problem, exit) in [
        (&b"hello\n"[..], -32700, "a line is not JSON", 0),
        (b"\xff\n", -32700, "a line is not UTF-8", 0),
        (b"{\"id\":1,", -32700, "a line is not JSON", 2),
        (b"\"\xc3", -32700, "a line is not UTF-8", 2),
        (
            b"{\"id\":{}}",
            -32600,
            "an invalid message: a message must",
            0,
        ),
        (
            b"{\"jsonrpc\":\"2.0\",\"method\":7}\n",
            -32600,
            "\"method\" must",
            0,
        ),
    ] {
        let mut child = spawn(command().arg("--demo"));
        child.stdin.take().unwrap().write_all(line).unwrap();
        let output = child.wait_with_output().unwrap();
        let response: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = (&response["id"], &response["error"]["code"]);
        assert_eq!(found, (&json!(null), &json!(code)));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains(problem) && said.lines().count() == 1,
            "{said}"
        );
        assert_eq!(output.status.code(), Some(exit));
    }
}

#[test]
fn a_cut_line_lets_calls_finish() {
    let mut child = spawn(command().args(["--demo", "--bench"]));
    let begin = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow","arguments":{"ms":200}}}"#;
    let mut input = child.stdin.take().unwrap();
    write!(input, "{begin}\n{call}\n{{\"jsonrpc\"").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("slept 200 ms")
    );
}

#[test]
fn a_last_line_needs_no_newline() {
    let mut client = Client::demo();
    client.write_bytes(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let response = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    assert_eq!(client.close(), [response]);
}

#[test]
fn a_closed_stderr_does_no_harm() {
    let mut child = spawn(command().arg("--demo"));
    drop(child.stderr.take());
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(b"{\"method\":\"\"}\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n")
        .unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let response = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n";
    assert_eq!(output.stdout, response.as_bytes());
}

/// Sends a line that gets no response, closes stdin, and returns what the server has said on stderr.
fn problem_of(line: &str) -> String {
    let mut child = spawn(command().arg("--demo"));
    let mut input = child.stdin.take().unwrap();
    input.write_all(line.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}
