//! What a client sees of the development gateway.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod admin;
mod recorded;
mod refresh;
mod sessions;
mod tools;
mod upstream;
mod v1;
mod wire;

use nexus_sdk::http::Response;
use nexus_sdk::testing::DevGateway;
use serde_json::Value;
use ureq::{Agent, Body};

fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false);
    config.build().into()
}

fn get(gateway: &DevGateway, path: &str) -> (u16, Value) {
    let url = format!("{}{path}", gateway.url());
    read(agent().get(url).call().unwrap())
}

fn post(gateway: &DevGateway, path: &str, body: &str) -> (u16, Value) {
    let url = format!("{}{path}", gateway.url());
    read(agent().post(url).send(body).unwrap())
}

fn delete(gateway: &DevGateway, path: &str) -> (u16, Value) {
    let url = format!("{}{path}", gateway.url());
    read(agent().delete(url).call().unwrap())
}

/// The status and the code of an error.
fn code((status, body): &(u16, Value)) -> (u16, &str) {
    (*status, body["error"].as_str().unwrap_or_default())
}

/// The status and the body: JSON, or the text as a string.
fn read(mut response: Response<Body>) -> (u16, Value) {
    let body = response.body_mut().read_to_string().unwrap();
    let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
    (response.status().as_u16(), body)
}

fn resolve(gateway: &DevGateway, workspace: &str, provider: &str) -> Value {
    let pair = format!("workspace_id={workspace}&provider_name={provider}");
    let (status, token) = get(gateway, &format!("/v1/resolve?{pair}"));
    assert_eq!(status, 200, "{token}");
    token
}

/// `/user` with a header: the status and the login.
fn user(gateway: &DevGateway, path: &str, headers: &[(&str, &str)]) -> (u16, Option<String>) {
    let mut request = agent().get(format!("{}{path}", gateway.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (status, body) = read(request.call().unwrap());
    (status, body["login"].as_str().map(str::to_owned))
}

fn bearer(gateway: &DevGateway, token: &Value) -> u16 {
    let value = format!("Bearer {}", token["access_token"].as_str().unwrap());
    user(gateway, "/user", &[("authorization", &value)]).0
}
