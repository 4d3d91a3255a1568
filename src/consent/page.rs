//! The HTML of all pages, and the headers that isolate them from other sites.

use std::fmt::Write as _;

use ureq::http::HeaderName;
use ureq::http::header::CONTENT_SECURITY_POLICY;

use super::random::random;
use crate::loopback::{Response, escape};

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const TICK: &str = r#"<svg class="good" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10"/><path d="m7.5 12.5 3 3 6-6.5"/></svg>"#;
const CROSS: &str = r#"<svg class="bad" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="10"/><path d="M12 7v6m0 3.5v.01"/></svg>"#;

/// Lets a page check that its server is still the server that sent the page.
pub(super) struct Check {
    /// The page sends this string to the server, which has to respond with the proof.
    pub(super) challenge: String,
    pub(super) proof: String,
}

/// Renders a whole page. A nonce allows its style and script (Content Security Policy Level 3, section 2.3.1).
pub(super) fn page(status: u16, title: &str, main: &str, check: Option<&Check>) -> Response {
    let nonce = random().unwrap_or_default();
    let heading = escape(title);
    let own = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let mut policy = format!("{own}; style-src 'nonce-{nonce}'");
    let mut end = String::new();
    if let Some(check) = check {
        let _ = write!(policy, "; script-src 'nonce-{nonce}'; connect-src 'self'");
        let challenge = &check.challenge;
        let proof = &check.proof;
        let advice = "What you have just entered was not sent. Unless another window says that you are connected, go \
                     back to the program that opened this form and connect again.";
        let ended = notice(CROSS, "This form has expired or was already sent", advice);
        let unsent = summary(
            "<p>The program that opened this form did not respond. What you have entered is still here. Press Connect \
             to try again.</p>\n",
        );
        end = format!(
            "<template id=\"ended\">{ended}</template>\n<template id=\"unsent\">{unsent}</template>\n<script nonce=\"{nonce}\" data-challenge=\"{challenge}\" \
             data-proof=\"{proof}\">{SCRIPT}</script>\n"
        );
    }
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{heading}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<style nonce=\"{nonce}\">{STYLE}</style>\n</head>\n\
         <body>\n{main}\n{end}</body>\n</html>\n"
    );
    secured(Response::new(status, HTML, html)).header(CONTENT_SECURITY_POLICY, &policy)
}

/// Adds the headers that every response has. `Referrer-Policy` is not `no-referrer`, because with that value browsers
/// send a form with `Origin: null` (Fetch standard, "append a request `Origin` header"). With `same-origin`, other
/// origins get no referrer either.
pub(super) fn secured(response: Response) -> Response {
    let headers = [
        ("cache-control", "no-store"),
        ("connection", "close"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
    ];
    let set =
        |response: Response, (name, value)| response.header(HeaderName::from_static(name), value);
    headers.into_iter().fold(response, set)
}

/// The page for a browser that has come back, or for a credential that the gateway has accepted. Names the provider if it is
/// known.
pub(super) fn connected(provider: Option<&str>) -> Response {
    let title = match provider {
        Some(provider) => format!("Connected to {provider}"),
        None => "Connected".to_owned(),
    };
    notice_page(200, TICK, &title, "You can close this window.")
}

pub(super) fn not_connected() -> Response {
    let text = "The gateway reports that the connection was not made. Go back to the program that sent you here to \
                try again. You can close this window.";
    notice_page(200, CROSS, "Not connected", text)
}

/// The page at the address of a form whose credential the gateway has accepted.
pub(super) fn used() -> Response {
    let text = "This form has already been sent, and the gateway accepted the credentials. If you did not send it, go \
                back to the program that opened it and connect again.";
    notice_page(404, TICK, "Already sent", text)
}

/// The same page for every unknown address, so that guessing reveals nothing.
pub(super) fn not_found() -> Response {
    let text = "There is no page at this address, or the address has already been used. If you still want to \
                connect, go back to the program that sent you here.";
    notice_page(404, CROSS, "Nothing here", text)
}

/// The page for a request that the listener refuses or cannot serve.
pub(super) fn refused(status: u16) -> Response {
    let text = match status {
        403 => {
            "This form can only be sent from its own page. Open that page again at the address that the program gave \
             you."
        }
        500 => "The operating system provided no random bytes. Try again in a moment.",
        413 => "The form was too long. The limit is 64 KiB.",
        _ => "The browser sent a request that is not valid.",
    };
    notice_page(status, CROSS, "Not accepted", text)
}

/// Renders a problem with its explanation. The problem has the focus, so that screen readers start with it.
pub(super) fn summary(paragraphs: &str) -> String {
    format!(
        "<div class=\"summary\" role=\"alert\" tabindex=\"-1\" autofocus>\n<h2>Not connected yet</h2>\n\
         {paragraphs}</div>\n"
    )
}

fn notice_page(status: u16, icon: &str, title: &str, text: &str) -> Response {
    let main = format!(
        "<main class=\"notice\">\n{}\n</main>",
        notice(icon, title, text)
    );
    page(status, title, &main, None)
}

fn notice(icon: &str, title: &str, text: &str) -> String {
    format!("{icon}\n<h1>{}</h1>\n<p>{text}</p>", escape(title))
}
