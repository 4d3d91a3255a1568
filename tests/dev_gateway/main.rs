//! The development gateway, as a client sees it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod admin;
mod credentials;
mod database;
mod recorded;
mod refresh;
mod sessions;
mod tools;
mod upstream;
mod v1;
mod wire;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use nexus_sdk::http::{Request, Response};
use nexus_sdk::testing::DevGateway;
use serde_json::{Value, json};
use ureq::{Agent, Body};

/// Follows no redirect, and sends any method.
fn agent() -> Agent {
    let config = Agent::config_builder().http_status_as_error(false);
    let config = config.max_redirects(0).allow_non_standard_methods(true);
    config.build().into()
}

fn send(
    gateway: &DevGateway,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Body> {
    let url = format!("{}{path}", gateway.url());
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    agent().run(request.body(body).unwrap()).unwrap()
}

fn get(gateway: &DevGateway, path: &str) -> (u16, Value) {
    read(send(gateway, ("GET", path), &[], ""))
}

fn post(gateway: &DevGateway, path: &str, body: &str) -> (u16, Value) {
    read(send(gateway, ("POST", path), &[], body))
}

fn delete(gateway: &DevGateway, path: &str) -> (u16, Value) {
    read(send(gateway, ("DELETE", path), &[], ""))
}

fn connect(gateway: &DevGateway) -> TcpStream {
    TcpStream::connect(gateway.url().trim_start_matches("http://")).unwrap()
}

/// Sends a request and hangs up before the response.
fn hang_up(gateway: &DevGateway, method: &str, path: &str) {
    let mut socket = connect(gateway);
    let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    // Closes only the sending half, so that reading ends when the gateway has given up the call.
    socket.shutdown(Shutdown::Write).unwrap();
    let mut response = String::new();
    socket.read_to_string(&mut response).unwrap();
    assert!(!response.contains("access_token"), "{response}");
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

/// The status and the login of a path of the sample upstream.
fn user(gateway: &DevGateway, path: &str, headers: &[(&str, &str)]) -> (u16, Option<String>) {
    let (status, body) = read(send(gateway, ("GET", path), headers, ""));
    (status, body["login"].as_str().map(str::to_owned))
}

/// Requests a connection of the workspace `ws`, and returns the response.
fn request(gateway: &DevGateway, provider: &str, return_url: &str) -> Value {
    let wanted = json!({
        "user_id": "ws", "provider_name": provider, "return_url": return_url, "metadata": {"k": 1},
    });
    post(gateway, "/v1/request-connection", &wanted.to_string()).1
}

/// The status of `/user` with a token.
fn bearer(gateway: &DevGateway, token: &Value) -> u16 {
    let value = format!("Bearer {}", token["access_token"].as_str().unwrap());
    user(gateway, "/user", &[("authorization", &value)]).0
}
