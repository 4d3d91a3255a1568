//! Signals during a call to the gateway: the program ends, or is suspended, once the response has
//! come.

use std::fs;
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
#[cfg(target_os = "linux")]
use std::process::{Child, Command};
#[cfg(target_os = "linux")]
use std::{thread, time::Duration};

#[cfg(target_os = "linux")]
use crate::copy_environment;
use crate::signals::signal;
use crate::slow::{WAITING, expect, respond, slow, started};
use crate::{Bench, spawn, until};

#[test]
fn a_signal_waits_for_the_response_and_prints_nothing_of_it() {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
        for args in [&["token", "--show"][..], &["refresh", "c-1"]] {
            let slow = slow();
            let (child, mut stderr, request) = started(&slow, args);
            signal(child.id(), name);
            expect(&mut stderr, WAITING);
            assert!(respond(request), "{args:?}: hung up");
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.signal(), Some(number), "{args:?}");
            assert_eq!(output.stdout, b"", "{args:?}");
        }
    }
}

/// Several rounds, because the signal races with the response.
#[test]
fn nothing_new_begins_after_a_signal() {
    let bench = Bench::new("interrupted");
    let mark = bench.file("mark");
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    upstream.set_nonblocking(true).unwrap();
    let url = format!("http://{}/pay", upstream.local_addr().unwrap());
    let commands = [
        &["exec", "--", "touch", mark.to_str().unwrap()][..],
        &["fetch", "-X", "POST", "-d", "x", &url],
    ];
    for round in 0..20 {
        for args in commands {
            let slow = slow();
            let (mut child, mut stderr, request) = started(&slow, args);
            signal(child.id(), "INT");
            expect(&mut stderr, WAITING);
            assert!(respond(request), "{round}: {args:?}: hung up");
            assert_eq!(child.wait().unwrap().signal(), Some(2), "{round}: {args:?}");
            assert!(!mark.exists(), "{round}: the command was run");
            assert!(upstream.accept().is_err(), "{round}: the request was sent");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_ignored_signal_stays_ignored() {
    let slow = slow();
    let program = slow.command(&["exec", "--", "grep", "SigIgn", "/proc/self/status"]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#"trap "" INT; exec "$0" "$@""#])
        .arg(program.get_program())
        .args(program.get_args());
    copy_environment(&program, &mut shell);
    let child = spawn(&mut shell);
    let request = slow.asked();
    signal(child.id(), "INT");
    assert!(respond(request));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
    let mask = String::from_utf8(output.stdout).unwrap();
    let mask = mask.trim_start_matches("SigIgn:").trim();
    let mask = u64::from_str_radix(mask, 16).unwrap();
    assert_eq!(mask & 0b10, 0b10, "{mask:b}");
}

/// The state letter of a process, from proc(5).
#[cfg(target_os = "linux")]
fn state(child: &Child) -> char {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.chars().next().unwrap()
}

#[cfg(target_os = "linux")]
fn until_stopped(child: &Child) {
    until("it is stopped", || (state(child) == 'T').then_some(()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_refresh_ends_before_the_program_is_suspended() {
    for args in [&["token", "--show"][..], &["refresh", "c-1", "--show"]] {
        let slow = slow();
        let (child, _stderr, request) = started(&slow, args);
        signal(child.id(), "TSTP");
        // A program that stops at once would be stopped by now.
        for _ in 0..50 {
            assert_ne!(state(&child), 'T', "{args:?}");
            thread::sleep(Duration::from_millis(2));
        }
        assert!(respond(request), "{args:?}: hung up");
        until_stopped(&child);
        signal(child.id(), "CONT");
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(output.stdout, b"t-1\n", "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_suspended_program_goes_on_and_can_be_ended() {
    let bench = Bench::new("suspended");
    let mut child = spawn(&mut bench.command("connect --interval 0.02"));
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    expect(&mut stderr, "waiting for consent ");
    for _ in 0..3 {
        signal(child.id(), "TSTP");
        until_stopped(&child);
        signal(child.id(), "CONT");
        let asked = bench.gateway.count("/v1/check-connection");
        let goes_on = || bench.gateway.count("/v1/check-connection") > asked;
        until("it goes on", || goes_on().then_some(()));
    }
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

/// A signal to end wins over an earlier signal to suspend.
#[cfg(target_os = "linux")]
#[test]
fn a_program_that_waits_to_be_suspended_can_be_ended() {
    let slow = slow();
    let (child, mut stderr, request) = started(&slow, &["token", "--show"]);
    signal(child.id(), "TSTP");
    signal(child.id(), "TERM");
    expect(&mut stderr, WAITING);
    assert!(respond(request), "hung up");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.signal(), Some(15));
    assert_eq!(output.stdout, b"");
}

#[test]
fn a_later_signal_does_not_wait() {
    let slow = slow();
    let (mut child, mut stderr, request) = started(&slow, &["token"]);
    signal(child.id(), "TERM");
    expect(&mut stderr, WAITING);
    // By itself, the program would end by the first signal.
    let status = until("it has ended", || {
        signal(child.id(), "INT");
        child.try_wait().unwrap()
    });
    assert_eq!(status.signal(), Some(2));
    drop(request);
}

/// A closed terminal can send SIGHUP twice, and a launcher passes on a Ctrl-C that its command has got too.
#[test]
fn two_signals_of_one_event_wait_for_the_response() {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)] {
        let slow = slow();
        let (mut child, mut stderr, request) = started(&slow, &["token"]);
        signal(format!("{0} {0}", child.id()), name);
        expect(&mut stderr, WAITING);
        assert!(respond(request), "{name}: hung up");
        assert_eq!(child.wait().unwrap().signal(), Some(number));
    }
}

/// The signal arrives in the middle of the body.
#[test]
fn a_signal_leaves_the_folder_of_an_output_file_unchanged() {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let bench = Bench::new("partial");
        fs::write(bench.file("file"), "old").unwrap();
        let names = || {
            let entries = fs::read_dir(&bench.directory).unwrap();
            entries
                .map(|it| it.unwrap().file_name())
                .collect::<Vec<_>>()
        };
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", upstream.local_addr().unwrap());
        let mut child = spawn(&mut bench.command(&format!("fetch {url} -o {{dir}}/file")));
        let (mut stream, _) = upstream.accept().unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        stream.write_all(format!("{head}half").as_bytes()).unwrap();
        until("it writes", || (names().len() > 1).then_some(()));
        signal(child.id(), name);
        assert_eq!(child.wait().unwrap().signal(), Some(number));
        assert_eq!(names(), ["file"]);
        assert_eq!(fs::read(bench.file("file")).unwrap(), b"old");
    }
}

#[test]
fn a_timeout_is_told_at_once_and_the_response_waited_for() {
    let slow = slow();
    let (mut child, mut stderr, request) = started(&slow, &["token", "--timeout", "0.05"]);
    expect(&mut stderr, "nexus: ");
    expect(&mut stderr, WAITING);
    assert!(respond(request), "hung up");
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
fn a_signal_ends_a_command_that_waits_for_the_user() {
    let bench = Bench::new("waits");
    let mut command = bench.command("connect --interval 3600");
    let mut child = spawn(&mut command);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    expect(&mut stderr, "waiting for consent ");
    // The next poll is an hour away.
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}
