//! Connecting the user from inside a call.

use std::thread;
use std::time::{Duration, Instant};

use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::ureq;
use serde_json::{Value, json};

use crate::client::{Client, outcome};
use crate::upstream::{configured, wait_for};
use crate::{ALL, LEGACY, MODERN};

/// The id of a gateway's first connection.
const CONNECTION: &str = "00000000-0000-4000-8000-000000000001";

fn gateway() -> DevGateway {
    DevGateway::start().unwrap()
}

/// Starts a server that asks for these scopes.
fn start(gateway: &DevGateway) -> Client {
    Client::start(configured(gateway).env("SCOPES", "repo, user"))
}

fn start_for(provider: &str, gateway: &DevGateway) -> Client {
    Client::start(configured(gateway).env("PROVIDER", provider))
}

fn call() -> Value {
    json!({"name": "get_user", "arguments": {}})
}

/// Repeats the call, with what the user did.
fn again(client: &mut Client, action: &str) -> Value {
    let mut params = call();
    params["inputResponses"] = json!({"visit": {"action": action}});
    client.ask("tools/call", params)
}

/// Returns the address of the page in the text of a failure.
fn page(problem: &str) -> String {
    let page = problem.rsplit(' ').next().unwrap().to_owned();
    assert!(page.starts_with("http://127.0.0.1:"), "{problem}");
    page
}

/// Returns the address of the page to which a client of 2026-07-28 is sent.
fn asked(response: &Value) -> String {
    let result = &response["result"];
    assert_eq!(result["resultType"], "input_required", "{response}");
    let request = &result["inputRequests"]["visit"];
    assert_eq!(request["method"], "elicitation/create");
    assert_eq!(request["params"]["mode"], "url");
    assert!(request["params"]["elicitationId"].is_string());
    assert!(request["params"]["message"].is_string());
    assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string());
    request["params"]["url"].as_str().unwrap().to_owned()
}

/// Does what the user's browser does: opens the page, which is the consent, and follows the redirect.
fn visit(page: &str) {
    let page = ureq::get(page).config().max_redirects(0).build();
    let consented = page.call().unwrap();
    come_back(consented.headers()["location"].to_str().unwrap());
}

/// Opens the return URL. The server then asks the gateway at once. It may have seen the consent before.
fn come_back(url: &str) {
    let _ = ureq::get(url).call();
}

/// Returns the body of the server's first connection request.
fn wanted(gateway: &DevGateway) -> Value {
    let sent = gateway.requests();
    let asked = sent.iter().find(|it| it.path == "/v1/request-connection");
    serde_json::from_slice(&asked.unwrap().body).unwrap()
}

fn requests(gateway: &DevGateway) -> usize {
    gateway.count("/v1/request-connection")
}

#[test]
fn a_client_that_opens_no_pages_gets_the_address_as_text() {
    for revision in ALL {
        let gateway = gateway();
        let mut client = start(&gateway).begin(revision);
        let problem = client.user().unwrap_err();
        assert!(problem.contains("connection_not_found"), "{problem}");
        assert!(problem.contains("call the tool again"), "{problem}");
        visit(&page(&problem));
        assert!(client.user().unwrap().contains("it's mine"));
        assert_eq!(requests(&gateway), 1);
        let asked = wanted(&gateway);
        assert_eq!(asked["scopes"], json!(["repo", "user"]));
        assert_eq!(asked["user_id"], "it's mine");
    }
}

/// The gateway ignores the case of a provider's name when it is asked for a connection.
#[test]
fn without_scopes_it_asks_for_those_that_the_gateway_lists() {
    let scopes = json!(["repo", "user"]);
    for (provider, scopes) in [
        ("github", &scopes),
        ("GitHub", &scopes),
        ("weather", &json!([])),
    ] {
        let gateway = gateway();
        let mut client = start_for(provider, &gateway).begin("2025-11-25");
        page(&client.user().unwrap_err());
        assert_eq!(wanted(&gateway)["scopes"], *scopes, "{provider}");
    }
    let gateway = gateway();
    // The SDK asks for the list too, to confirm that there is no connection.
    gateway.fail_next_at("/v1/providers", 2, Fault::Status(404));
    let mut client = start_for("github", &gateway).begin("2025-11-25");
    page(&client.user().unwrap_err());
    assert_eq!(wanted(&gateway)["scopes"], json!([]));
}

#[test]
fn a_legacy_client_that_opens_pages_gets_an_error() {
    for revision in LEGACY {
        let gateway = gateway();
        let mut client = start(&gateway).that_opens_pages().begin(revision);
        let response = client.ask("tools/call", call());
        if revision < "2025-11-25" {
            visit(&page(&outcome(&response).unwrap_err()));
            continue;
        }
        let error = &response["error"];
        assert_eq!(error["code"], -32042, "{response}");
        let sent_to = &error["data"]["elicitations"][0];
        assert_eq!(sent_to["mode"], "url");
        let url = sent_to["url"].as_str().unwrap();
        assert_eq!(page(error["message"].as_str().unwrap()), url);
        visit(url);
        let told = client.response();
        assert_eq!(told["method"], "notifications/elicitation/complete");
        assert_eq!(told["params"]["elicitationId"], sent_to["elicitationId"]);
        assert!(client.user().is_ok());
        assert_eq!(client.close(), [] as [Value; 0]);
        assert_eq!(requests(&gateway), 1);
    }
}

#[test]
fn a_modern_client_that_opens_pages_is_asked_to() {
    let gateway = gateway();
    let mut client = start(&gateway).that_opens_pages().begin(MODERN);
    let url = asked(&client.ask("tools/call", call()));
    // A client that does not answer is asked again.
    let other = json!({"other": {"action": "accept"}});
    for nothing in [json!({}), other, json!({"visit": 1})] {
        let mut params = call();
        params["inputResponses"] = nothing;
        params["requestState"] = json!("whatever");
        assert_eq!(asked(&client.ask("tools/call", params)), url);
    }
    let mut params = call();
    params["inputResponses"] = json!(1);
    assert_eq!(client.ask("tools/call", params)["error"]["code"], -32602);

    let before = thread::spawn(move || visit(&url));
    let response = again(&mut client, "accept");
    assert_eq!(response["result"]["resultType"], "complete");
    assert!(outcome(&response).is_ok(), "{response}");
    before.join().unwrap();
    assert_eq!(requests(&gateway), 1);
}

#[test]
fn a_user_who_says_no_is_heard() {
    let gateway = gateway();
    let mut client = start(&gateway).that_opens_pages().begin(MODERN);
    let url = asked(&client.ask("tools/call", call()));
    for (action, expected) in [("decline", "declined"), ("cancel", "dismissed")] {
        let problem = outcome(&again(&mut client, action)).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
        // The next call asks the user again, and does not wait.
        assert_eq!(asked(&client.ask("tools/call", call())), url);
    }
    assert_eq!((requests(&gateway), gateway.count("/user")), (1, 0));
}

#[test]
fn a_user_who_says_no_waits_for_no_gateway() {
    let gateway = gateway();
    let slow = Fault::Delay(Duration::from_secs(20));
    gateway.fail_next_at("/v1/request-connection", 1, slow);
    let mut client = start(&gateway).that_opens_pages().begin(MODERN);
    client.request("tools/call", call());
    wait_for(&gateway, "/v1/request-connection", 1);
    let problem = outcome(&again(&mut client, "decline")).unwrap_err();
    assert!(problem.contains("declined"), "{problem}");
}

#[test]
fn calls_share_a_connection_request_that_fails() {
    let gateway = gateway();
    let slow = Fault::Delay(Duration::from_secs(2));
    gateway.fail_next_at("/v1/request-connection", 1, slow);
    let mut client = start_for("nobody", &gateway).begin("2025-11-25");
    for _ in 0..2 {
        client.request("tools/call", call());
    }
    for _ in 0..2 {
        let problem = outcome(&client.response()).unwrap_err();
        assert!(
            problem.contains("does not know the provider nobody"),
            "{problem}"
        );
    }
    assert_eq!(requests(&gateway), 1);
}

#[test]
fn calls_that_come_before_the_page_is_shown_all_get_it() {
    let gateway = gateway();
    let mut client = start(&gateway).begin("2025-03-26");
    let calls = (1..4).map(|id| client.message(id, "tools/call", call()));
    let calls = calls.collect();
    client.send(&calls);
    let responses = client.response();
    let pages = responses.as_array().unwrap().iter();
    let pages: Vec<_> = pages.map(|it| page(&outcome(it).unwrap_err())).collect();
    assert_eq!(pages, vec![pages[0].clone(); 3]);
    assert_eq!(requests(&gateway), 1);
}

#[test]
fn calls_that_come_later_wait_for_the_consent() {
    let gateway = gateway();
    let mut client = start(&gateway).begin("2025-11-25");
    let page = page(&client.user().unwrap_err());
    let mut params = call();
    params["_meta"] = json!({"progressToken": "p"});
    let cancelled = client.request("tools/call", params);
    // The first progress shows that the call waits for the consent.
    let told = client.response();
    assert_eq!(told["method"], "notifications/progress", "{told}");
    client.cancel(cancelled);
    client.ping();
    let wait = client.call("list_repos", &json!({}));
    visit(&page);
    let response = client.response();
    assert_eq!(response["id"], wait);
    assert!(outcome(&response).is_ok(), "{response}");
    assert_eq!(client.close(), [] as [Value; 0]);
    assert_eq!(gateway.count("/user"), 1, "a cancelled call does nothing");
}

/// Hosts that restart their timeout at each progress notification wait as long as the call.
#[test]
fn a_call_that_waits_for_the_consent_reports_progress() {
    let waits = |revision, token: &Value| {
        let gateway = gateway();
        let mut client = start(&gateway).begin(revision);
        let page = page(&client.user().unwrap_err());
        let mut params = call();
        params["_meta"] = json!({"progressToken": token});
        let wait = client.request("tools/call", params);
        let mut last = -1;
        for _ in 0..2 {
            let told = client.response();
            assert_eq!(told["method"], "notifications/progress", "{told}");
            assert_eq!(told["params"]["progressToken"], *token);
            let progress = told["params"]["progress"].as_i64().unwrap();
            assert!(progress > last && progress - last <= 15, "{told}");
            last = progress;
        }
        visit(&page);
        let response = client.response();
        assert_eq!(response["id"], wait);
        assert!(outcome(&response).is_ok(), "{response}");
    };
    thread::scope(|threads| {
        threads.spawn(|| waits("2024-11-05", &json!("p")));
        threads.spawn(|| waits(MODERN, &json!(7)));
    });
}

/// The gateway has only a schema, so the server serves a form.
#[test]
fn a_static_credential_is_typed_into_a_form_on_loopback() {
    let gateway = gateway();
    let mut client = start_for("weather", &gateway).begin("2025-11-25");
    let form = page(&client.user().unwrap_err());
    assert!(!form.starts_with(gateway.url()), "{form}");
    let mut shown = ureq::get(&form).call().unwrap();
    let shown = shown.body_mut().read_to_string().unwrap();
    assert!(shown.contains("<form"), "{shown}");
    let key = "k-0123456789";
    ureq::post(&form).send_form([("api_key", key)]).unwrap();
    let user = client.user().unwrap();
    assert!(user.contains("it's mine") && !user.contains(key), "{user}");
    let sent = gateway.requests();
    let mut sent = sent.iter().filter_map(|it| it.headers.get("x-api-key"));
    assert_eq!(sent.next_back().unwrap(), key);
}

#[test]
fn what_comes_to_nothing_is_said_and_can_be_tried_again() {
    let gateway = gateway();
    let mut client = start(&gateway).begin("2025-11-25");
    let first = page(&client.user().unwrap_err());
    let waits = client.call("get_user", &json!({}));
    // The first call has asked twice.
    wait_for(&gateway, "/v1/resolve", 3);
    assert!(gateway.set_status(CONNECTION, "revoked"));
    let back = wanted(&gateway)["return_url"].take();
    let back = back.as_str().unwrap();
    come_back(&format!("{back}?connection_id={CONNECTION}"));
    let response = client.response();
    assert_eq!(response["id"], waits);
    let problem = outcome(&response).unwrap_err();
    assert!(problem.contains("the connection is revoked"), "{problem}");
    let second = page(&client.user().unwrap_err());
    assert_ne!(first, second);
}

#[test]
fn what_needs_the_user_again_is_asked_for_again() {
    for status in ["attention", "revoked"] {
        let gateway = gateway();
        let connection = gateway.connect("it's mine", "github").unwrap();
        let mut client = start(&gateway).begin("2025-11-25");
        assert!(client.user().is_ok());
        gateway.set_status(&connection, status);
        gateway.rotate("it's mine", "github");
        let problem = client.user().unwrap_err();
        visit(&page(&problem));
        assert!(client.user().is_ok());
    }
}

#[test]
fn a_gateway_that_gives_no_page_is_not_hidden() {
    let json = |status, body: &str| Fault::reply(status, "application/json", body);
    let missing = json(404, r#"{"error": "missing_fields"}"#);
    let refused = json(502, r#"{"error": "broker_error", "status": 400}"#);
    let unknown = json(404, r#"{"error": "provider_not_found"}"#);
    let ambiguous = json(409, r#"{"error": "provider_ambiguous"}"#);
    let gateway = gateway();
    // (a response of the gateway, part of the text for the model, whether `nexus connect` could connect the user)
    for (fault, expected, could_connect) in [
        (missing, "missing_fields", true),
        (refused, "return URLs on http://127.0.0.1", true),
        (Fault::Status(500), "http_500", true),
        (unknown, "does not know the provider github", false),
        (ambiguous, "several providers named github", false),
    ] {
        let mut client = start(&gateway).begin("2025-11-25");
        gateway.fail_next_at("/v1/request-connection", 1, fault);
        let problem = client.user().unwrap_err();
        assert!(problem.contains(expected), "{problem}");
        let advice = ["nexus connect", "check PROVIDER"].map(|it| problem.contains(it));
        assert_eq!(advice, [could_connect, !could_connect], "{problem}");
    }
}

/// A refused request costs the gateway two more calls, and each tool call would repeat all three.
#[test]
fn a_refusal_is_kept_for_the_time_that_the_gateway_names() {
    let limit = |value: &str| Fault::RetryAfter {
        status: 429,
        value: value.into(),
    };
    let paths = ["/v1/resolve", "/v1/providers", "/v1/request-connection"];
    // (a response of the gateway, the seconds for which it is kept)
    for (fault, kept) in [
        (limit("1"), 1),
        (limit("600"), 600),
        (limit("86400"), 600),
        (limit("0"), 10),
        (limit("Sun, 06 Nov 1994 08:49:37 GMT"), 10),
        (Fault::Status(429), 10),
        (Fault::Status(500), 10),
    ] {
        let gateway = gateway();
        let mut client = start_for("github", &gateway).begin("2025-11-25");
        gateway.fail_next_at("/v1/request-connection", 1, fault);
        let start = Instant::now();
        let first = client.user().unwrap_err();
        let expected = format!("waits {kept} s after such a failure");
        assert!(first.contains(&expected), "{first}");
        let mut calls = 1;
        if kept > 1 {
            for _ in 0..2 {
                assert_eq!(client.user().unwrap_err(), first);
            }
            calls += 2;
        } else {
            // The page comes as soon as the time has passed, and no sooner.
            while client.user().unwrap_err() == first {
                calls += 1;
                thread::sleep(Duration::from_millis(20));
            }
            calls += 1;
            assert!(start.elapsed() >= Duration::from_secs(1));
        }
        let asked = if kept > 1 { 1 } else { 2 };
        // The SDK asks twice about a missing connection, and once for the list to confirm it.
        let expected = [2 * calls, asked + 1, asked];
        assert_eq!(paths.map(|path| gateway.count(path)), expected);
    }
}

/// The gateway ignores the case of a provider's name, but not when it looks for a connection.
#[test]
fn a_user_whose_consent_was_in_vain_is_not_asked_again() {
    for revision in ALL {
        let gateway = gateway();
        let mut client = start_for("GitHub", &gateway).begin(revision);
        visit(&page(&client.user().unwrap_err()));
        for _ in 0..3 {
            let problem = client.user().unwrap_err();
            let is_clear = problem.contains("Check PROVIDER: upper and lower case");
            assert!(is_clear && !problem.contains("http"), "{problem}");
        }
        assert_eq!(requests(&gateway), 1);
    }
}

#[test]
fn a_connection_that_is_found_later_makes_good_for_it() {
    let gateway = gateway();
    let mut client = start(&gateway).begin("2025-11-25");
    let first = page(&client.user().unwrap_err());
    // The next call asks for a token before and after it waits for the consent, and confirms each answer.
    let missing = r#"{"error": "connection_not_found"}"#;
    let missing = Fault::reply(404, "application/json", missing);
    gateway.fail_next_at("/v1/resolve", 4, missing);
    let waits = client.call("get_user", &json!({}));
    wait_for(&gateway, "/v1/resolve", 4);
    visit(&first);
    let response = client.response();
    assert_eq!(response["id"], waits);
    let problem = outcome(&response).unwrap_err();
    assert!(problem.contains("Check PROVIDER"), "{problem}");

    assert!(client.user().is_ok());
    assert!(gateway.set_status(CONNECTION, "revoked"));
    gateway.rotate("it's mine", "github");
    page(&client.user().unwrap_err());
    assert_eq!(requests(&gateway), 2);
}

#[test]
fn it_can_be_switched_off() {
    let gateway = gateway();
    for revision in ALL {
        let mut command = configured(&gateway);
        let client = Client::start(command.env("CONNECT", "off"));
        let mut client = client.that_opens_pages().begin(revision);
        let problem = client.user().unwrap_err();
        let advice = ["nexus connect", "/consent"].map(|it| problem.contains(it));
        assert_eq!(advice, [true, false], "{problem}");
    }
    assert_eq!(requests(&gateway), 0);
}
