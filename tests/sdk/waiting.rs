//! Waiting for a consent: the requests of a wait, and failures. `src/wait/tests.rs` has the statuses that end it.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::support::{Reply, Server, bytes, client, json, options, text, visit};
use nexus_sdk::testing::DevGateway;
use nexus_sdk::{
    ConnectionStatus, NexusClient, RequestConnectionInput, RetryPolicy, RevokeOptions, WaitOptions,
};
use serde_json::json;

pub(crate) fn status(name: &str) -> Reply {
    json(200, &json!({ "status": name }))
}

fn soon() -> WaitOptions<'static> {
    WaitOptions::default().interval(Duration::ZERO)
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
        text(502, "no broker"),
        text(503, ""),
        text(504, ""),
        text(500, ""),
        text(429, "Too Many Requests"),
        bytes(""),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    ];
    for failure in failures {
        for retries in [0, 1] {
            let gateway = Server::play(vec![
                failure.clone(),
                failure.clone(),
                status("pending"),
                failure.clone(),
                status("active"),
            ]);
            let policy = RetryPolicy::default()
                .retries(retries)
                .min_delay(Duration::ZERO);
            let client = NexusClient::new(options(&gateway).retry_policy(policy)).unwrap();
            assert!(client.wait_for_active("c", soon()).unwrap() == "active");
            assert_eq!(gateway.requests().len(), 5);
        }
    }
}

#[test]
fn a_refusal_ends_a_wait() {
    let coded = |status| json(status, &json!({"error": "no_such_thing", "message": "no"}));
    let refusals = [400, 401, 403, 404, 410, 422].map(|status| (status, coded(status)));
    let bare = [401, 410].map(|status| (status, text(status, "no")));
    for (code, refusal) in refusals.into_iter().chain(bare) {
        let gateway = Server::play(vec![status("pending"), refusal, status("active")]);
        let error = client(&gateway).wait_for_active("c", soon()).unwrap_err();
        assert_eq!(
            (error.status_code(), gateway.requests().len()),
            (Some(code), 2)
        );
    }
    let gateway = Server::play(vec![text(200, "no JSON")]);
    assert_eq!(
        client(&gateway)
            .wait_for_active("c", soon())
            .unwrap_err()
            .code(),
        "invalid_response"
    );
}

/// It may be a proxy's, or an old gateway's.
#[test]
fn a_bare_status_ends_no_wait() {
    for code in [302, 400, 403, 404, 405, 409, 413] {
        let refusal = text(code, "no");
        let gateway = Server::play(vec![
            refusal.clone(),
            status("failed"),
            refusal,
            status("active"),
        ]);
        let mut polls = Vec::new();
        let told = |status: &ConnectionStatus| {
            polls.push(status.to_string());
            ControlFlow::Continue(())
        };
        let options = soon().on_poll(told);
        assert!(client(&gateway).wait_for_active("c", options).unwrap() == "active");
        assert_eq!(gateway.requests().len(), 4, "{code}");
        // A redirect says nothing about the connection.
        let is_told = polls.join(" ") == "pending active" || code == 302;
        assert!(is_told, "{code}: {polls:?}");
    }
}

/// Gateway 0.2 refuses the token of a connection that waits for consent with a bare 403.
#[test]
fn a_consent_at_gateway_0_2_is_waited_for() {
    let gateway = DevGateway::builder().like_v0_2().start().unwrap();
    let client = client(&gateway);
    let input = RequestConnectionInput::new("acme", "github", ["repo"], "http://localhost:3000/");
    let connection = client.request_connection(&input).unwrap();
    let mut polls = Vec::new();
    let told = |status: &ConnectionStatus| {
        polls.push(status.to_string());
        if polls.len() == 3 {
            visit(&connection.auth_url);
        }
        ControlFlow::Continue(())
    };
    let options = soon().on_poll(told);
    let status = client.wait_for_active(&connection.connection_id, options);
    assert!(status.unwrap() == "active");
    assert_eq!(polls, ["pending", "pending", "pending", "active"]);
}

#[test]
fn a_wait_tells_every_status_and_ends_when_told_to() {
    let gateway = Server::play(vec![
        status("pending"),
        text(503, ""),
        status("attended"),
        status("active"),
    ]);
    let mut polls = Vec::new();
    let told = |status: &ConnectionStatus| {
        polls.push(status.to_string());
        ControlFlow::Continue(())
    };
    client(&gateway)
        .wait_for_active("c", soon().on_poll(told))
        .unwrap();
    assert_eq!(polls, ["pending", "attended", "active"]);

    let gateway = Server::play(vec![status("pending")]);
    let stop = |_: &ConnectionStatus| ControlFlow::Break(());
    let error = client(&gateway)
        .wait_for_active("c", soon().on_poll(stop))
        .unwrap_err();
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

    let mut shown = Vec::new();
    let consent = |status: &ConnectionStatus| {
        shown.push(status.to_string());
        if *status == ConnectionStatus::Pending {
            visit(&connection.auth_url);
        }
        ControlFlow::Continue(())
    };
    let status = client.wait_for_active(id, soon().on_poll(consent));
    assert!(status.unwrap() == "active");
    assert_eq!(shown, ["pending", "active"]);

    let wait = |id: &str| client.wait_for_active(id, soon()).unwrap();
    assert!(gateway.set_status(id, "attention"));
    assert_eq!(wait(id), ConnectionStatus::Attention);
    assert!(gateway.set_status(id, "active"));
    client
        .revoke_connection(id, RevokeOptions::default())
        .unwrap();
    assert_eq!(wait(id), ConnectionStatus::Revoked);
    assert_eq!(wait("nobody"), ConnectionStatus::Failed);
}
