use super::*;
use crate::error::NexusError;
use serde_json::json;

#[test]
fn what_a_response_to_a_request_has_to_hold() {
    #[rustfmt::skip]
    let table = [
        (json!({"authUrl": "https://a/x?state=s%201&y=2#f", "connection_id": "c"}), Ok(Some("s 1"))),
        (json!({"auth_url": "https://a/?state=u", "connection_id": "c", "state": "s"}), Ok(Some("s"))),
        (json!({"authUrl": "https://a/?xstate=1", "connection_id": 7}), Ok(None)),
        (json!({"authUrl": "https://a/?state=", "connection_id": "c", "state": null}), Ok(None)),
        (json!({"authUrl": "https://a/?state=%FF", "connection_id": "c"}), Ok(None)),
        (json!({"authUrl": "", "connection_id": "c"}), Err("invalid_response")),
        (json!({"authUrl": null, "auth_url": 1, "connection_id": ""}), Err("invalid_response")),
        (json!({"authUrl": "javascript:alert(1)", "connection_id": "c"}), Err("invalid_response")),
        (json!({"authUrl": "https://a/\n\u{1b}[2J", "connection_id": "c"}), Err("invalid_response")),
        (json!({"authUrl": "https://a/"}), Err("invalid_response")),
    ];
    for (response, expected) in table {
        let read = RequestConnectionResponse::from_json(response.clone());
        let state = read
            .as_ref()
            .map(|read| read.state.as_deref())
            .map_err(NexusError::code);
        assert_eq!(state, expected, "{response}");
    }
}
