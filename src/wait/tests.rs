//! The outcomes of polls and the meaning of `failed`, without a gateway.

use std::cell::{Cell, RefCell};
use std::sync::Mutex;

use super::*;
use crate::error::meaning;

/// The error that the gateway's response to a token call becomes, or a failure without a response for the status 0.
fn refused(status: u16, code: &str) -> NexusError {
    let error = NexusError::with_code(code.to_owned(), "no");
    if status == 0 {
        return error.lasting();
    }
    let (next, connection, _) = meaning::of("token", status, code, None);
    error.with(|inner| {
        inner.status = Some(status);
        (inner.next, inner.connection) = (next, connection);
    })
}

/// The deadline of a wait that polls once.
fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn options() -> WaitOptions<'static> {
    WaitOptions::default().interval(Duration::ZERO)
}

/// Waits for a connection that is `failed` until its token is requested, and `active` afterwards. Returns the
/// outcome, and the statuses that `on_poll` got.
fn wait(token: &Result<()>) -> (String, String) {
    let shown = Mutex::new(Vec::new());
    let asked = Cell::new(false);
    let options = options().on_poll(|status| {
        shown.lock().unwrap().push(status.to_string());
        ControlFlow::Continue(())
    });
    let status = |_| {
        let statuses = [ConnectionStatus::Failed, ConnectionStatus::Active];
        Ok(statuses[usize::from(asked.get())].clone())
    };
    let token = |_| {
        assert!(!asked.replace(true), "asked once");
        token.clone()
    };
    let outcome = until_final(options, soon(), status, token);
    let outcome = outcome.map_or_else(|error| error.code().to_owned(), |status| status.to_string());
    (outcome, shown.into_inner().unwrap().join(" "))
}

#[test]
fn failed_is_asked_about() {
    // The status and code of the token request, the outcome, and the statuses that `on_poll` got.
    // `src/gateway/refusal/tests.rs` has the meaning of other errors.
    let table = [
        (400, "connection_not_active", "active", "pending active"),
        (409, "token_expired", "active", "pending active"),
        (409, "attention_required", "attention", "attention"),
        (410, "connection_revoked", "revoked", "revoked"),
        (404, "connection_not_found", "failed", "failed"),
        (400, "invalid_connection_id", "failed", "failed"),
        // The gateway's own word.
        (403, "invalid_api_key", "invalid_api_key", ""),
        // The word of a firewall.
        (403, "forbidden", "active", "pending active"),
        (502, "broker_unavailable", "active", "active"),
        // A bare status. A gateway of version 0.2 says 403 of a connection that waits for consent.
        (403, "http_403", "active", "pending active"),
        (404, "http_404", "active", "pending active"),
        (410, "http_410", "failed", "failed"),
        (500, "http_500", "active", "active"),
        // A response that cannot be used, such as a captive portal's page.
        (200, "invalid_response", "active", "active"),
        // A failure without a response, such as a TLS certificate that is not trusted, after a poll that worked.
        (0, "request_failed", "active", "active"),
    ];
    for (status, code, outcome, shown) in table {
        let found = wait(&Err(refused(status, code)));
        let expected = (outcome.to_owned(), shown.to_owned());
        assert_eq!(found, expected, "{status} {code}");
    }
    let active = || "active".to_owned();
    assert_eq!(wait(&Ok(())), (active(), active()));
}

#[test]
fn a_pause_is_at_least_what_the_gateway_asks_for() {
    let (begun, longer) = (std::time::Instant::now(), Duration::from_millis(50));
    let polls = Cell::new(0);
    let status = |_| {
        polls.set(polls.get() + 1);
        let busy = refused([429, 503][polls.get() % 2], "busy");
        match polls.get() {
            3 => Ok(ConnectionStatus::Active),
            _ => Err(busy.with(|inner| inner.retry_after = Some(longer))),
        }
    };
    let active = until_final(options(), soon(), status, |_| Ok(()));
    assert!(active.unwrap() == "active" && begun.elapsed() >= longer * 2);
}

/// A certificate that is not trusted at first is a mistake in the configuration. Later, it may be a captive portal's.
#[test]
fn a_lasting_failure_ends_a_wait_only_before_the_first_response() {
    let untrusted = || Err(refused(0, "request_failed"));
    let down = || Err(refused(503, "http_503"));
    let local = || Err(NexusError::invalid_input("connection_id", "is blank"));
    let active = || Ok(ConnectionStatus::Active);
    let pending = || Ok(ConnectionStatus::Pending);
    let table = [
        (vec![untrusted(), active()], "request_failed"),
        (vec![down(), untrusted(), active()], "active"),
        (
            vec![pending(), untrusted(), untrusted(), active()],
            "active",
        ),
        (vec![pending(), local(), active()], "invalid_input"),
    ];
    for (number, (polls, expected)) in table.into_iter().enumerate() {
        let polls = RefCell::new(polls.into_iter());
        let status = |_| polls.borrow_mut().next().unwrap();
        let ended = until_final(options(), soon(), status, |_| Ok(()));
        let ended = ended.map_or_else(|error| error.code().to_owned(), |status| status.to_string());
        assert_eq!(ended, expected, "row {number}");
    }
}

#[test]
fn only_failed_is_asked_about() {
    for last in ["active", "attention", "expired", "revoked", "superseded"] {
        let polls = RefCell::new(vec![last, "archived", "pending"]);
        let status = |_| Ok(polls.borrow_mut().pop().unwrap().into());
        let ended = until_final(options(), soon(), status, |_| {
            panic!("{last}: the token must not be requested")
        });
        assert!(ended.unwrap() == last);
    }
}

#[test]
fn a_wait_that_runs_out_says_what_the_last_poll_found() {
    let down = || Err(refused(502, "broker_unavailable"));
    let table = [
        (
            Ok(ConnectionStatus::Failed),
            "the last status was `pending`",
        ),
        (down(), "failed with broker_unavailable"),
    ];
    for (polled, part) in table {
        let brief = options().timeout(Duration::from_millis(200));
        let pending = |_| Err(refused(400, "connection_not_active"));
        let error = until_final(brief, soon(), |_| polled.clone(), pending).unwrap_err();
        assert_eq!(error.code(), "timeout");
        assert!(error.message().contains(part), "{error}");
    }
}

#[test]
fn a_wait_of_no_time_polls_once() {
    let table = [
        // The status that the only poll returns, and the outcome of the wait.
        ("active", "active"),
        ("revoked", "revoked"),
        ("pending", "timeout"),
        ("failed", "active"),
    ];
    for (first, expected) in table {
        let polls = Cell::new(0);
        let status = |deadline: Deadline| {
            assert!(deadline.left().is_some(), "{first}: the poll has time");
            polls.set(polls.get() + 1);
            Ok(first.into())
        };
        let token = |deadline: Deadline| {
            assert!(deadline.left().is_some(), "{first}");
            Ok(())
        };
        let once = WaitOptions::default().timeout(Duration::ZERO);
        let ended = until_final(once, soon(), status, token);
        let ended = ended.map_or_else(|error| error.code().to_owned(), |status| status.to_string());
        assert_eq!((&*ended, polls.get()), (expected, 1), "{first}");
    }
}
