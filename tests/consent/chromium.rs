//! A real browser: Chromium, driven by its own driver (W3C `WebDriver`) over plain HTTP.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nexus_sdk::ureq;
use serde_json::{Value, json};

use super::support::LONG;

pub(crate) const TAB: &str = "\u{E004}";
pub(crate) const ENTER: &str = "\u{E007}";
pub(crate) const SPACE: &str = " ";
pub(crate) const BACKSPACE: &str = "\u{E003}";
pub(crate) const END: &str = "\u{E010}";

/// One window, closed when it is dropped.
pub(crate) struct Chromium {
    driver: Child,
    session: String,
}

impl Chromium {
    pub(crate) fn open() -> Self {
        Self::with_prefs(&json!({}))
    }

    pub(crate) fn without_scripts() -> Self {
        Self::with_prefs(&json!({"profile.managed_default_content_settings.javascript": 2}))
    }

    fn with_prefs(prefs: &Value) -> Self {
        // A driver ends at once if another has taken the port that it chose.
        let started = (0..5).find_map(|_| start());
        let (driver, port) = started.expect("chromedriver names its port");
        let options = json!({
            "prefs": prefs,
            "args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=800,900"],
        });
        let capabilities = json!({"alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }});
        let mut browser = Self {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
        };
        let made = browser.post("", &json!({ "capabilities": capabilities }));
        browser.session.push('/');
        browser.session += made["sessionId"].as_str().unwrap();
        browser
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let mut response = ureq::post(&url)
            .config()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .content_type("application/json")
            .send(body.to_string())
            .unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}: {text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        value["value"].clone()
    }

    pub(crate) fn visit(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// The value of a script's expression in the page.
    pub(crate) fn look(&self, script: &str) -> Value {
        let script = format!("return ({script});");
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    pub(crate) fn text(&self, script: &str) -> String {
        self.look(script).as_str().unwrap_or_default().to_owned()
    }

    /// Types on the keyboard, wherever the focus is.
    pub(crate) fn press(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key})))
            .collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.post("/actions", &json!({ "actions": [keyboard] }));
    }

    /// Waits for a page with this heading.
    pub(crate) fn wait_for(&self, heading: &str) {
        self.wait_until("document.querySelector('h1')?.textContent", heading);
    }

    pub(crate) fn wait_for_title(&self, title: &str) {
        self.wait_until("document.title", title);
    }

    pub(crate) fn wait_until(&self, script: &str, expected: &str) {
        let start = Instant::now();
        let script = format!("document.readyState + {script}");
        while self.text(&script) != format!("complete{expected}") {
            let html = || self.text("document.documentElement.outerHTML");
            assert!(start.elapsed() < LONG, "no {expected}: {}", html());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The address of the window.
    pub(crate) fn address(&self) -> String {
        let url = format!("{}/url", self.session.trim_end_matches('/'));
        let text = ureq::get(&url).call().unwrap().body_mut().read_to_string();
        let value: Value = serde_json::from_str(&text.unwrap()).unwrap();
        value["value"].as_str().unwrap().to_owned()
    }

    /// Checks the page on a wide and on a narrow screen, in light and in dark, with axe-core. Saves a picture of each if
    /// `SCREENSHOTS` names a folder.
    pub(crate) fn inspect(&self, name: &str) {
        for (width, scheme) in [1280, 390].iter().flat_map(|w| [(w, "dark"), (w, "light")]) {
            let screen =
                json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
            self.command("Emulation.setDeviceMetricsOverride", &screen);
            self.prefer(scheme);
            let case = format!("{name}-{width}-{scheme}");
            let wider =
                "document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(self.look(wider), 0, "{case}");
            assert_eq!(self.violations(), [""; 0], "{case}");
            self.picture(&case);
        }
        self.command("Emulation.clearDeviceMetricsOverride", &json!({}));
    }

    /// Sets the color scheme that the user prefers.
    pub(crate) fn prefer(&self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        let media = json!({ "features": [feature] });
        self.command("Emulation.setEmulatedMedia", &media);
    }

    /// Returns the rules of axe-core that the page violates, with the elements.
    fn violations(&self) -> Vec<String> {
        let file = std::env::var("AXE").expect("AXE names axe.min.js; see browser.sh");
        let axe = std::fs::read_to_string(file).unwrap();
        let script = format!(
            "const done = arguments[0]; window.axe || (() => {{ {axe} }})(); \
             axe.run().then((found) => done(found.violations.flatMap((rule) => \
             rule.nodes.map((node) => `${{rule.id}}: ${{node.html}}`))), (error) => done([`${{error}}`]));"
        );
        let found = self.post("/execute/async", &json!({"script": script, "args": []}));
        serde_json::from_value(found).unwrap()
    }

    fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("SCREENSHOTS").map(PathBuf::from) else {
            return;
        };
        std::fs::create_dir_all(&folder).unwrap();
        let options = json!({"captureBeyondViewport": true});
        let picture = self.command("Page.captureScreenshot", &options);
        let picture = base64_decoded(picture["data"].as_str().unwrap());
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    fn command(&self, command: &str, params: &Value) -> Value {
        self.post(
            "/goog/cdp/execute",
            &json!({"cmd": command, "params": params}),
        )
    }

    /// Returns the browser's complaints since the last call, without those about pages that it could not find.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({"type": "browser"}));
        let lines = log.as_array().unwrap().iter();
        let lines = lines.map(|line| line["message"].as_str().unwrap().to_owned());
        lines
            .filter(|line| !line.contains("Failed to load resource"))
            .collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Starts a driver, and returns the driver and its port. Returns `None` if the driver ends before it names a port.
fn start() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver runs; tests/interop/browser.sh installs it");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // The driver would block if nobody read its later lines.
    thread::spawn(move || lines.for_each(drop));
    Some((driver, port?))
}

fn base64_decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}
