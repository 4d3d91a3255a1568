//! The outcomes of polls and the meaning of `failed`, without a gateway.

use std::cell::{Cell, RefCell};
use std::sync::Mutex;

use super::*;
use crate::error::meaning::{self, Asked};

/// The error that the gateway's response to a token call becomes, or a failure without a response for the status 0.
fn refused(status: u16, code: &str) -> NexusError {
    let error = NexusError::with_code(code.to_owned(), "no");
    if status == 0 {
        return error.lasting();
    }
    let (next, connection, _) = meaning::of(Asked::Other, status, code, None);
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
/// outcome and the statuses that `on_poll` got.
fn wait(token: &Result<()>) -> (String, Vec<String>) {
    let shown = Mutex::new(Vec::new());
    let asked = Cell::new(false);
    let options = options().on_poll(|status| {
        shown.lock().unwrap().push(status.to_string());
        ControlFlow::Continue(())
    });
    let status = |_| {
        let failed = !asked.get();
        Ok(if failed {
            ConnectionStatus::Failed
        } else {
            ConnectionStatus::Active
        })
    };
    let token = |_| {
        assert!(!asked.replace(true), "asked once");
        token.clone()
    };
    let outcome = until_final(options, soon(), status, token);
    let outcome = outcome.map_or_else(|error| error.code().to_owned(), |status| status.to_string());
    (outcome, shown.into_inner().unwrap())
}

#[test]
fn failed_is_asked_about() {
    // The status and code of the token request, the outcome, and the statuses that `on_poll` got.
    let pending: &[&str] = &["pending", "active"];
    let table: [(u16, &str, &str, &[&str]); 24] = [
        // A gateway of version 0.4.
        (400, "connection_not_active", "active", pending),
        (409, "token_expired", "active", pending),
        (409, "attention_required", "attention", &["attention"]),
        (410, "connection_revoked", "revoked", &["revoked"]),
        (404, "connection_not_found", "failed", &["failed"]),
        (400, "invalid_connection_id", "failed", &["failed"]),
        (403, "invalid_api_key", "invalid_api_key", &[]),
        (401, "unauthorized", "unauthorized", &[]),
        (502, "broker_unavailable", "active", &["active"]),
        // The gateway's own word, even if no table has the code.
        (403, "forbidden", "forbidden", &[]),
        (422, "no_such_thing", "no_such_thing", &[]),
        // A bare status. A gateway of version 0.2 says 403 of a connection that waits for consent.
        (403, "http_403", "active", pending),
        (409, "http_409", "active", pending),
        (404, "http_404", "active", pending),
        (405, "http_405", "active", pending),
        (410, "http_410", "failed", &["failed"]),
        (401, "http_401", "http_401", &[]),
        (429, "http_429", "active", &["active"]),
        // Failures of the gateway, or of a proxy in front of it. A gateway that panics sends a 500 without a body.
        (500, "http_500", "active", &["active"]),
        (500, "decrypt_failed", "active", &["active"]),
        (503, "http_503", "active", &["active"]),
        (504, "http_504", "active", &["active"]),
        // A response that cannot be used.
        (200, "invalid_response", "invalid_response", &[]),
        // A failure without a response, such as a TLS certificate that is not trusted.
        (0, "request_failed", "request_failed", &[]),
    ];
    for (status, code, outcome, shown) in table {
        let (ended, seen) = wait(&Err(refused(status, code)));
        assert_eq!(
            (&*ended, seen.as_slice()),
            (outcome, &*to_strings(shown)),
            "{status} {code}"
        );
    }
    assert_eq!(
        wait(&Ok(())),
        ("active".to_owned(), to_strings(&["active"]))
    );
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

fn to_strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
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

/// Options of a wait that takes its whole timeout. Each such wait has a test of its own, so that they run in parallel.
fn brief() -> WaitOptions<'static> {
    options().timeout(Duration::from_millis(500))
}

#[test]
fn a_wait_that_runs_out_says_which_status_was_the_last() {
    let pending = || Err(refused(400, "connection_not_active"));
    let ended = until_final(
        brief(),
        soon(),
        |_| Ok(ConnectionStatus::Failed),
        |_| pending(),
    );
    let error = ended.unwrap_err();
    assert_eq!(error.code(), "timeout");
    assert!(
        error.message().contains("the last status was `pending`"),
        "{error}"
    );
}

#[test]
fn a_wait_that_runs_out_says_which_failure_was_the_last() {
    let down = |_| Err(refused(502, "broker_unavailable"));
    let error = until_final(brief(), soon(), down, |_| Ok(())).unwrap_err();
    assert_eq!(error.code(), "timeout");
    assert!(
        error.message().contains("failed with broker_unavailable"),
        "{error}"
    );
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
            assert!(
                deadline.left().is_some(),
                "{first}: the token call has time"
            );
            Ok(())
        };
        let once = WaitOptions::default().timeout(Duration::ZERO);
        let ended = until_final(once, soon(), status, token);
        let ended = ended.map_or_else(|error| error.code().to_owned(), |status| status.to_string());
        assert_eq!((&*ended, polls.get()), (expected, 1), "{first}");
    }
}

#[test]
fn options_can_be_sent_to_another_thread() {
    fn sent<T: Send>(_: T) {}
    sent(WaitOptions::default().on_poll(|_| ControlFlow::Continue(())));
}
