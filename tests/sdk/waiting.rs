//! Waiting for a consent: the requests of a wait, and failures. `src/wait/tests.rs` has the statuses that end it.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::support::{Reply, Server, bytes, client, json, options, reply, retrying, text, visit};
use nexus_sdk::testing::DevGateway;
use nexus_sdk::{ConnectionStatus, NexusClient, RequestConnectionInput, WaitOptions};
use serde_json::json;

pub(crate) fn status(name: &str) -> Reply {
    json(200, &json!({ "status": name }))
}

const HTML: [(&str, &str); 1] = [("Content-Type", "text/html; charset=utf-8")];

fn soon() -> WaitOptions<'static> {
    WaitOptions::default().interval(Duration::ZERO)
}

/// Waits, calls this with each status, and returns the last status with all of them.
fn wait_with(client: &NexusClient, id: &str, each: impl Fn(&str) + Sync) -> (String, String) {
    let mut polls = Vec::new();
    let told = |status: &ConnectionStatus| {
        polls.push(status.to_string());
        each(&polls.join(" "));
        ControlFlow::Continue(())
    };
    let status = client.wait_for_active(id, soon().on_poll(told)).unwrap();
    (status.to_string(), polls.join(" "))
}

#[test]
fn failed_is_asked_about_on_the_token_path() {
    let not_active = json(
        400,
        &json!({"error": "connection_not_active", "message": "no"}),
    );
    let gateway = Server::play(vec![
        status("failed"),
        not_active,
        status("failed"),
        text(503, ""),
        status("active"),
    ]);
    let seen = client(&gateway).wait_for_active("c/1", soon()).unwrap();
    assert!(seen == "active", "{seen}");
    let targets = gateway.requests().into_iter().map(|request| request.target);
    let (check, token) = ("/v1/check-connection/c%2F1", "/v1/token/c%2F1");
    assert_eq!(
        targets.collect::<Vec<_>>(),
        [check, token, check, token, check]
    );
}

#[test]
fn passing_failures_of_the_gateway_do_not_end_a_wait() {
    let failures = [
        text(503, ""),
        text(500, ""),
        text(429, "Too Many Requests"),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
        // Not the gateway's words: a captive portal, a maintenance page, a firewall.
        reply(200, &HTML, "<html>Sign in</html>"),
        reply(401, &HTML, "<html>Sign in</html>"),
        reply(410, &HTML, "<html>Gone</html>"),
        text(200, ""),
        text(200, "no JSON"),
        text(204, ""),
        json(200, &json!({})),
        json(403, &json!({"error": "forbidden", "message": "no"})),
        json(401, &json!({"error": "Unauthorized"})),
    ];
    for failure in failures {
        for retries in [0, 1] {
            let replies = [
                &failure,
                &failure,
                &status("pending"),
                &failure,
                &status("active"),
            ];
            let gateway = Server::play(replies.map(Reply::clone).into());
            let policy = retrying(retries, Duration::ZERO);
            let client = NexusClient::new(options(&gateway).retry_policy(policy)).unwrap();
            assert!(client.wait_for_active("c", soon()).unwrap() == "active");
            assert_eq!(gateway.requests().len(), 5);
        }
    }
}

#[test]
fn a_refusal_ends_a_wait() {
    let own = |code: &str| json!({"error": code, "message": "no"});
    let refusals = [
        (json(400, &own("missing_fields")), "missing_fields"),
        (json(403, &own("invalid_api_key")), "invalid_api_key"),
        (text(401, "no"), "http_401"),
        (text(410, "no"), "http_410"),
    ];
    for (refusal, code) in refusals {
        let gateway = Server::play(vec![status("pending"), refusal, status("active")]);
        let error = client(&gateway).wait_for_active("c", soon()).unwrap_err();
        assert_eq!((error.code(), gateway.requests().len()), (code, 2));
    }
}

/// It may be a proxy's, or an old gateway's.
#[test]
fn a_bare_status_ends_no_wait() {
    for code in [302, 400, 403, 404] {
        let refusal = text(code, "no");
        let gateway = Server::play(vec![
            refusal.clone(),
            status("failed"),
            refusal,
            status("active"),
        ]);
        let (ended, polls) = wait_with(&client(&gateway), "c", |_| ());
        assert_eq!((&*ended, gateway.requests().len()), ("active", 4), "{code}");
        // A redirect says nothing about the connection.
        assert!(
            polls == "pending active" || code == 302,
            "{code}: {polls:?}"
        );
    }
}

/// Gateway 0.2 refuses the token of a connection that waits for consent with a bare 403.
#[test]
fn a_consent_at_gateway_0_2_is_waited_for() {
    let check = status("failed");
    let refusal = reply(403, &[], "");
    let gateway = Server::play(vec![
        check.clone(),
        refusal.clone(),
        check.clone(),
        refusal.clone(),
        check,
        refusal,
        status("active"),
    ]);
    let (_, polls) = wait_with(&client(&gateway), "c", |_| ());
    assert_eq!(polls, "pending pending pending active");
    assert_eq!(gateway.requests().len(), 7);
}

#[test]
fn a_wait_ends_when_told_to() {
    let gateway = Server::play(vec![status("pending")]);
    let stop = |_: &ConnectionStatus| ControlFlow::Break(());
    let options = soon().on_poll(stop);
    let error = client(&gateway).wait_for_active("c", options).unwrap_err();
    assert_eq!((error.code(), gateway.requests().len()), ("aborted", 1));
    assert!(error.message().contains("pending"), "{error}");
}

/// The first connection, as the README has it, on a gateway that says `failed` until the consent.
#[test]
fn a_consent_is_waited_for_and_what_cannot_become_active_is_not() {
    let gateway = DevGateway::start().unwrap();
    let client = client(&gateway);
    let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost/");
    let connection = client.request_connection(&input).unwrap();
    let id = connection.connection_id.as_str();
    assert!(client.check_connection(id).unwrap() == "failed");

    let consent = |polls: &str| {
        if polls == "pending" {
            visit(&connection.auth_url);
        }
    };
    let (_, polls) = wait_with(&client, id, consent);
    assert_eq!(polls, "pending active");

    assert!(gateway.set_status(id, "attention"));
    assert_eq!(wait_with(&client, id, |_| ()).0, "attention");
    assert_eq!(wait_with(&client, "nobody", |_| ()).0, "failed");
}
