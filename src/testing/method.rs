//! Checks the method of a request.

use super::received::ReceivedRequest;
use super::response::Response;

pub(super) fn get(request: &ReceivedRequest) -> Result<(), Response> {
    match request.method.as_str() {
        "GET" | "HEAD" => Ok(()),
        _ => Err(Response::method_not_allowed("GET, HEAD")),
    }
}

pub(super) fn post(request: &ReceivedRequest) -> Result<(), Response> {
    only("POST", request)
}

pub(super) fn delete(request: &ReceivedRequest) -> Result<(), Response> {
    only("DELETE", request)
}

fn only(method: &str, request: &ReceivedRequest) -> Result<(), Response> {
    if request.method == method {
        return Ok(());
    }
    Err(Response::method_not_allowed(method))
}
