//! The broker's database away, and single failed queries. Played on a running gateway and broker 0.4.

use nexus_sdk::testing::{DevGateway, Fault};
use serde_json::{Value, json};

use crate::{code, delete, get, post};

const PAIR: &str = "/v1/resolve?workspace_id=ws&provider_name=github";

fn connected() -> (DevGateway, String) {
    let gateway = DevGateway::start().unwrap();
    let id = gateway.connect("ws", "github").unwrap();
    (gateway, id)
}

fn request(gateway: &DevGateway) -> (u16, Value) {
    let wanted = json!({"user_id": "ws", "provider_name": "github", "return_url": "http://r/"});
    post(gateway, "/v1/request-connection", &wanted.to_string())
}

/// The calls, from the first to the last, and their statuses and codes; the revocation is the last.
fn all_calls(gateway: &DevGateway, id: &str) -> [(u16, String); 6] {
    let found = [
        get(gateway, PAIR),
        get(gateway, &format!("/v1/token/{id}")),
        get(gateway, "/v1/providers"),
        request(gateway),
        post(gateway, &format!("/v1/refresh/{id}"), ""),
        delete(gateway, &format!("/v1/connections/{id}")),
    ];
    found.each_ref().map(|response| {
        let (status, code) = code(response);
        (status, code.to_owned())
    })
}

#[test]
fn what_calls_get_while_the_database_is_away() {
    let away: fn(&DevGateway) = |gateway| gateway.database_away(true);
    let every_query: fn(&DevGateway) =
        |gateway| gateway.fail_next_at("/v1/", usize::MAX, Fault::DatabaseError);
    for (take_away, bring_back) in [
        (
            away,
            (|gateway| gateway.database_away(false)) as fn(&DevGateway),
        ),
        (every_query, DevGateway::forget_faults),
    ] {
        let (gateway, id) = connected();
        let check = format!("/v1/check-connection/{id}");
        take_away(&gateway);
        let expected = [
            (404, "connection_not_found"),
            (404, "token_not_found"),
            (502, "broker_error"),
            (502, "broker_error"),
            (502, "upstream_error"),
            (404, "connection_not_found"),
        ];
        let expected = expected.map(|(status, code)| (status, code.to_owned()));
        assert_eq!(all_calls(&gateway, &id), expected);
        for response in [get(&gateway, "/v1/providers"), request(&gateway)] {
            assert_eq!(response.1["status"], 500);
        }
        assert_eq!(get(&gateway, &check), (200, json!({"status": "failed"})));
        assert_eq!(get(&gateway, "/health").0, 200);
        let invalid = get(&gateway, "/v1/token/x");
        assert_eq!(code(&invalid), (400, "invalid_connection_id"));

        bring_back(&gateway);
        assert_eq!(get(&gateway, &check), (200, json!({"status": "active"})));
        let works = [(); 6].map(|()| (200, String::new()));
        assert_eq!(all_calls(&gateway, &id), works);
    }
}

#[test]
fn a_failed_query_denies_a_connection_only_once() {
    let (gateway, id) = connected();
    for (path, expected) in [
        (PAIR, "connection_not_found"),
        (&format!("/v1/token/{id}"), "token_not_found"),
    ] {
        let prefix = path.split('?').next().unwrap();
        gateway.fail_next_at(prefix, 2, Fault::DatabaseError);
        for _ in 0..2 {
            assert_eq!(code(&get(&gateway, path)), (404, expected));
            assert_eq!(get(&gateway, "/v1/providers").0, 200);
        }
        assert_eq!(get(&gateway, path).0, 200);
    }
}
