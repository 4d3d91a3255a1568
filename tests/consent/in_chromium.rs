//! Both pages in a real browser. `tests/interop/browser.sh` runs these, which need Chromium.

mod filled_in;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::{ConsentListener, RequestConnectionInput, WaitOptions};
use serde_json::{Value, json as value};

use super::browser::{half_open, parts};
use super::chromium::{Chromium, ENTER, TAB};
use super::support::{LONG, Server, client, json};

#[test]
#[ignore = "needs Chromium"]
fn a_consent_ends_on_a_page_that_says_so() {
    let gateway = DevGateway::start().unwrap();
    let client = client(&gateway);
    let listener = ConsentListener::bind().unwrap();
    let input = RequestConnectionInput::new("acme", "github", ["repo"], listener.return_url());
    let connection = client.request_connection(&input).unwrap();
    let browser = Chromium::open();
    browser.visit(&connection.auth_url);
    browser.wait_for("Connected to github");
    assert!(browser.address().starts_with(listener.return_url()));
    browser.inspect("connected");
    assert_eq!(browser.complaints(), [""; 0]);
    let options = WaitOptions::default().timeout(LONG).consent(&listener);
    let status = client.wait_for_active(&connection.connection_id, options);
    assert!(status.unwrap() == "active");
    browser.visit(listener.return_url());
    browser.wait_for("Nothing here");
    browser.inspect("used");
}

/// Accepts only the key `right`, and the key `slow` as soon as nobody holds the lock.
fn gateway(held: &Arc<Mutex<()>>) -> Server {
    let held = Arc::clone(held);
    Server::start(move |request| {
        if request.path() == "/v1/capture-schema" {
            let reply = value!({"provider_name": "weather", "schema": schema()});
            return json(200, &reply);
        }
        if request.path() == "/v1/check-connection/c-1" {
            return json(200, &value!({"status": "active"}));
        }
        let sent: Value = serde_json::from_slice(&request.body).unwrap();
        let key = &sent["credentials"]["api_key"];
        if key == "slow" {
            drop(held.lock());
        }
        if key == "right" || key == "slow" {
            return json(200, &value!({"connection_id": "c-1", "status": "success"}));
        }
        let refusal = value!({"error": "credentials_rejected", "message": "api_key: the provider returned 401"});
        json(422, &refusal)
    })
}

fn schema() -> Value {
    value!({
        "type": "object",
        "title": "Weather",
        "description": "Create a key under Settings, API keys, with the right to read forecasts.",
        "required": ["region", "api_key"],
        "properties": {
            "api_key": {"type": "string", "title": "API key", "description": "32 letters and digits"},
            "region": {"type": "string", "title": "Region", "enum": ["Europe", "Americas"]},
            "base_url": {"type": "string", "format": "uri", "title": "Address of your own server"},
            "port": {"type": "integer", "title": "Port", "description": "443 if blank"},
            "verify": {"type": "boolean", "title": "Check its certificate", "default": true},
            "private_key": {"type": "string"},
        },
    })
}

/// A form that a browser has opened.
struct OpenForm {
    held: Arc<Mutex<()>>,
    gateway: Server,
    listener: ConsentListener,
    form: String,
    browser: Chromium,
}

impl OpenForm {
    fn new() -> Self {
        let open = Self::visited(Chromium::open(), str::to_owned);
        open.browser.wait_for("Connect weather");
        open
    }

    /// Opens a form at the address that `visit` returns for the form's address.
    fn visited(browser: Chromium, visit: impl FnOnce(&str) -> String) -> Self {
        let held = Arc::default();
        let gateway = gateway(&held);
        let listener = ConsentListener::bind().unwrap();
        let form = listener.credential_form(&client(&gateway), "s-1").unwrap();
        browser.visit(&visit(&form));
        Self {
            held,
            gateway,
            listener,
            form,
            browser,
        }
    }

    /// Enters a region and a key, by keyboard.
    fn enter(&self, key: &str) {
        // A letter chooses an option.
        self.browser.press("E");
        self.browser.press(TAB);
        self.browser.press(key);
    }

    /// Returns the number of credentials that the gateway got.
    fn sent(&self) -> usize {
        self.gateway.count("/v1/capture-credential")
    }
}

#[test]
#[ignore = "needs Chromium"]
fn a_second_click_sends_nothing() {
    let open = OpenForm::new();
    let browser = &open.browser;
    for (key, title) in [
        ("wrong", "Error: Connect weather"),
        ("right", "Connected to weather"),
    ] {
        browser.visit(&open.form);
        browser.wait_for("Connect weather");
        let before = open.sent();
        let click = "document.forms[0].requestSubmit();";
        browser.look(&format!(
            "(() => {{ document.forms[0].api_key.value = '{key}'; document.forms[0].region.value = 'Europe'; \
             {click} {click} return 1; }})()"
        ));
        browser.wait_for_title(title);
        assert_eq!(open.sent() - before, 1, "{key}");
    }
}

#[test]
#[ignore = "needs Chromium"]
fn a_form_that_gets_no_response_keeps_what_was_entered() {
    let open = OpenForm::new();
    let browser = &open.browser;
    open.enter("right");
    // The check of the server takes too long, or the connection breaks when the form is sent.
    let late = "new DOMException('', 'TimeoutError')";
    for (method, error) in [("undefined", late), ("'POST'", "new TypeError()")] {
        browser.look(&format!(
            "(() => {{ window.real ??= fetch; window.fetch = (url, options) => options.method === {method} \
             ? Promise.reject({error}) : real(url, options); document.querySelector('.summary')?.remove(); \
             document.forms[0].requestSubmit(); return 1; }})()"
        ));
        let said = "document.querySelector('.summary')?.textContent.includes('did not respond')";
        let start = Instant::now();
        while browser.look(said) != true {
            assert!(start.elapsed() < LONG, "{method}");
        }
        let role = browser.text("document.activeElement.getAttribute('role')");
        assert_eq!(role, "alert");
        assert_eq!(browser.text("document.forms[0].api_key.value"), "right");
        browser.inspect("unsent");
    }
    // The page's own checks do not remove the form either.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(open.sent(), 0);
    browser.look("(() => { window.fetch = real; document.forms[0].requestSubmit(); return 1; })()");
    browser.wait_for("Connected to weather");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
#[ignore = "needs Chromium"]
fn half_open_connections_do_not_stop_the_form() {
    let open = OpenForm::new();
    let browser = &open.browser;
    open.enter("right");
    half_open(&open.form);
    browser.press(ENTER);
    browser.wait_for("Connected to weather");
}

#[test]
#[ignore = "needs Chromium"]
fn another_page_can_neither_send_the_form_nor_show_it() {
    let gateway = gateway(&Arc::default());
    let listener = ConsentListener::bind().unwrap();
    let form = listener.credential_form(&client(&gateway), "s-1").unwrap();
    let target = form.clone();
    let elsewhere = Server::start(move |_| {
        let html = format!(
            "<!doctype html><h1>Elsewhere</h1><iframe src=\"{target}\"></iframe>\
             <form method=\"post\" action=\"{target}\"><input name=\"region\" value=\"Europe\">\
             <input name=\"api_key\" value=\"right\"><button autofocus>Go</button></form>"
        );
        super::support::reply(200, &[("Content-Type", "text/html")], html)
    });
    let browser = Chromium::open();
    browser.visit(&elsewhere.url("/"));
    browser.wait_for("Elsewhere");
    browser.press(ENTER);
    browser.wait_for("Not accepted");
    browser.inspect("refused-elsewhere");
    assert_eq!(gateway.count("/v1/capture-credential"), 0);
}

/// A program that listens on the port of a listener that has ended.
fn imposter(form: &str) -> DevGateway {
    let address = parts(form).0.parse().unwrap();
    let imposter = DevGateway::builder().bind(address).start().unwrap();
    imposter.fail_next(usize::MAX, Fault::reply(200, "text/plain", "welcome"));
    imposter
}

#[test]
#[ignore = "needs Chromium"]
fn a_key_is_not_sent_to_another_server_on_the_same_port() {
    // The imposter is there when the form is sent, and in the second round the page notices it by itself.
    for sends in [true, false] {
        let open = OpenForm::new();
        open.enter("canary-1");
        drop(open.listener);
        let imposter = imposter(&open.form);
        let browser = &open.browser;
        if sends {
            browser.press(ENTER);
        }
        browser.wait_for("This form has expired or was already sent");
        browser.inspect("ended");
        let html = browser.text("document.documentElement.outerHTML");
        let is_gone = !html.contains("<form") && !html.contains("<input");
        assert!(is_gone, "{html}");
        for request in imposter.requests() {
            let query = request.query.unwrap_or_default();
            let is_check = request.method == "GET" && query.starts_with("challenge=");
            assert!(is_check, "{} {}?{query}", request.method, request.path);
        }
        assert_eq!(open.gateway.count("/v1/capture-credential"), 0);
    }
}

#[test]
#[ignore = "needs Chromium"]
fn a_browser_without_scripts_can_send_the_form() {
    let open = OpenForm::visited(Chromium::without_scripts(), str::to_owned);
    let browser = &open.browser;
    // The button needs the page's script.
    let display = "getComputedStyle(document.querySelector('.show')).display";
    assert_eq!(browser.text(display), "none");
    open.enter("right");
    browser.press(ENTER);
    while open.sent() == 0 {
        std::thread::yield_now();
    }
}

/// So that the address is in no program's arguments, which all users can read.
#[test]
#[ignore = "needs Chromium"]
fn a_form_opens_through_a_file_that_redirects() {
    let name = format!("nexus-redirect-{}.html", std::process::id());
    let file = std::env::temp_dir().join(name);
    let open = OpenForm::visited(Chromium::open(), |form| {
        let html = format!(
            "<!doctype html><meta name=\"referrer\" content=\"no-referrer\">\
             <meta http-equiv=\"refresh\" content=\"0;url={form}\">"
        );
        std::fs::write(&file, html).unwrap();
        format!("file://{}", file.display())
    });
    let browser = &open.browser;
    browser.wait_for("Connect weather");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(browser.address(), open.form);
    open.enter("right");
    browser.press(ENTER);
    browser.wait_for("Connected to weather");
    assert_eq!(browser.complaints(), [""; 0]);
}
