//! A form that a user fills in by keyboard.

use nexus_sdk::WaitOptions;
use serde_json::{Value, json as value};

use super::super::chromium::{BACKSPACE, Chromium, END, ENTER, SPACE, TAB};
use super::super::support::{LONG, client};
use super::OpenForm;

#[test]
#[ignore = "needs Chromium"]
fn a_form_is_filled_in_refused_and_mended_by_keyboard() {
    let OpenForm {
        gateway,
        listener,
        browser,
        ..
    } = OpenForm::new();
    browser.inspect("form");
    let focus = |what: &str| browser.text(&format!("document.activeElement.{what}"));
    // The style is in force, and every control has its label.
    let width = "getComputedStyle(document.querySelector('main')).maxWidth";
    assert_eq!(browser.text(width), "480px");
    let unlabelled = "[...document.querySelectorAll('input, select, textarea')].filter(e => !e.labels.length).length";
    assert_eq!(browser.look(unlabelled), 0);

    // The first field has the focus; a letter chooses an option.
    assert_eq!(focus("name"), "region");
    browser.press("E");
    browser.press(TAB);
    assert_eq!(focus("name"), "api_key");
    assert_eq!(focus("type"), "password");
    browser.press("canary-1");
    browser.press(TAB);
    browser.press(TAB);
    assert_eq!(focus("name"), "base_url");
    assert_eq!(focus("inputMode"), "url");
    browser.press("https://weather.example.org/a?b=\"c\"");
    browser.press(TAB);
    assert_eq!(
        (focus("name"), focus("inputMode")),
        ("port".into(), "decimal".into())
    );
    browser.press("8443");
    browser.press(TAB);
    assert_eq!(focus("name"), "verify");
    browser.press(SPACE);
    browser.press(TAB);
    assert_eq!(focus("name"), "private_key");
    browser.press(&format!("line 1{ENTER}line 2"));
    browser.press(TAB);
    browser.press(TAB);
    assert_eq!(focus("textContent"), "Connect");
    browser.press(ENTER);

    // The refusal has the focus.
    browser.wait_for_title("Error: Connect weather");
    assert_eq!(focus("getAttribute('role')"), "alert");
    browser.inspect("refused");
    let html = browser.text("document.documentElement.outerHTML");
    assert!(!html.contains("canary"), "{html}");
    let value =
        |name: &str| browser.text(&format!("document.querySelector('[name={name}]').value"));
    assert_eq!(value("region"), "Europe");
    assert_eq!(value("base_url"), "https://weather.example.org/a?b=\"c\"");
    assert_eq!(value("port"), "8443");
    assert_eq!(
        (value("api_key"), value("private_key")),
        (String::new(), String::new())
    );
    let checked = "document.querySelector('[name=verify]').checked";
    assert_eq!(browser.look(checked), false);
    browser.press(TAB);
    assert_eq!(focus("name"), "region");
    browser.press(TAB);
    assert_eq!(focus("name"), "api_key");
    browser.press("right");
    browser.press(ENTER);

    browser.wait_for("Connected to weather");
    browser.inspect("form-connected");
    assert_eq!(browser.complaints(), [""; 0]);
    let options = WaitOptions::default().timeout(LONG).consent(&listener);
    assert!(client(&gateway).wait_for_active("c-1", options).unwrap() == "active");
    let mut sent = gateway.requests();
    sent.retain(|request| request.path() == "/v1/capture-credential");
    let mut credential = value!({
        "region": "Europe",
        "api_key": "right",
        "base_url": "https://weather.example.org/a?b=\"c\"",
        "port": 8443,
        "verify": false,
    });
    let sent = |number: usize| {
        let body: Value = serde_json::from_slice(&sent[number].body).unwrap();
        body["credentials"].clone()
    };
    assert_eq!(sent(1), credential);
    credential["api_key"] = "canary-1".into();
    credential["private_key"] = "line 1\nline 2".into();
    assert_eq!(sent(0), credential);
}

#[test]
#[ignore = "needs Chromium"]
fn a_button_shows_and_hides_what_was_typed() {
    let open = OpenForm::new();
    let browser = &open.browser;
    let focus = |what: &str| browser.text(&format!("document.activeElement.{what}"));
    // The button's text fits beside the field.
    let heights =
        "document.querySelector('.show').offsetHeight - document.forms[0].api_key.offsetHeight";
    assert_eq!(browser.look(heights), 0);
    let name = || {
        let parts = "getAttribute('aria-labelledby').split(' ')";
        focus(&format!(
            "{parts}.map((id) => document.getElementById(id).textContent).join(' ')"
        ))
    };
    open.enter("canary-1");
    let line = "document.forms[0].api_key.type";
    let lines = "getComputedStyle(document.forms[0].private_key).webkitTextSecurity";
    let table = [
        (1, "API key", line, "password", "text"),
        (5, "Private key", lines, "disc", "none"),
    ];
    for (tabs, field, look, hidden, shown) in table {
        browser.press(&TAB.repeat(tabs));
        for key in [SPACE, ENTER] {
            assert_eq!(
                (name(), browser.text(look)),
                (format!("Show {field}"), hidden.into())
            );
            browser.press(key);
            assert_eq!(
                (name(), browser.text(look)),
                (format!("Hide {field}"), shown.into())
            );
            browser.press(key);
        }
        assert_eq!(browser.text(look), hidden);
    }
    browser.press(SPACE);
    browser.inspect("form-shown");
}

#[test]
#[ignore = "needs Chromium"]
fn a_typo_in_one_field_costs_no_other_field() {
    let open = OpenForm::new();
    let browser = &open.browser;
    open.enter("right");
    browser.look("document.forms[0].private_key.value = 'line 1\\nline 2'");
    browser.press(&TAB.repeat(3));
    browser.press("80 a");
    browser.press(ENTER);
    browser.wait_for_title("Error: Connect weather");
    let focus = |what: &str| browser.text(&format!("document.activeElement.{what}"));
    assert_eq!(focus("getAttribute('role')"), "alert");
    browser.inspect("typo");
    let value = |name: &str| browser.text(&format!("document.forms[0].{name}.value"));
    assert_eq!(value("region"), "Europe");
    assert_eq!(value("port"), "80 a");
    // The page has kept these, hides them, and does not ask for them again.
    assert_eq!(value("api_key"), "right");
    assert_eq!(browser.text("document.forms[0].api_key.type"), "password");
    assert_eq!(value("private_key"), "line 1\nline 2");
    let hint = "getComputedStyle(document.querySelector('.unscripted')).display";
    assert_eq!(browser.text(hint), "none");
    assert_eq!(open.sent(), 0);
    // The summary leads to the field.
    browser.press(TAB);
    let problem = "Port has to be a number, such as 10.";
    assert_eq!(focus("textContent"), problem);
    browser.press(ENTER);
    assert_eq!(
        (focus("name"), focus("ariaInvalid")),
        ("port".into(), "true".into())
    );
    let notes = "getAttribute('aria-describedby').split(' ')";
    let notes = format!("{notes}.map((id) => document.getElementById(id).textContent).join(' ')");
    assert_eq!(focus(&notes), format!("443 if blank {problem}"));
    browser.press(&format!("{END}{BACKSPACE}{BACKSPACE}"));
    browser.press(ENTER);
    browser.wait_for("Connected to weather");
    assert_eq!(browser.complaints(), [""; 0]);
    let mut sent = open.gateway.requests();
    sent.retain(|request| request.path() == "/v1/capture-credential");
    let sent: Value = serde_json::from_slice(&sent[0].body).unwrap();
    let expected = value!({
        "region": "Europe", "api_key": "right", "port": 80, "verify": true, "private_key": "line 1\nline 2",
    });
    assert_eq!(sent["credentials"], expected);
}

#[test]
#[ignore = "needs Chromium"]
fn without_scripts_a_typo_costs_the_hidden_fields_and_the_page_says_so() {
    let open = OpenForm::visited(Chromium::without_scripts(), str::to_owned);
    let browser = &open.browser;
    open.enter("canary-1");
    browser.press(&TAB.repeat(2));
    browser.press("80 a");
    browser.press(ENTER);
    browser.wait_for_title("Error: Connect weather");
    let hint = "document.querySelector('.unscripted')";
    assert_eq!(
        browser.text(&format!("getComputedStyle({hint}).display")),
        "block"
    );
    let text = browser.text(&format!("{hint}.textContent"));
    assert_eq!(
        text,
        "Enter hidden fields again, because they are not kept."
    );
    assert_eq!(browser.text("document.forms[0].api_key.value"), "");
    assert_eq!(browser.text("document.forms[0].port.value"), "80 a");
    assert_eq!(open.sent(), 0);
}

/// The contrast of the submit button's text (WCAG 2.2, "contrast ratio"), or 0 if the button is not opaque. axe-core leaves out
/// disabled buttons.
const CONTRAST: &str = "(() => {
  const style = getComputedStyle(document.querySelector('[type=submit]'));
  const light = (color) => {
    const [r, g, b] = color.match(/\\d+/g).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const [text, ground] = [light(style.color), light(style.backgroundColor)];
  return style.opacity < 1 ? 0 : Math.max(text, ground) / Math.min(text, ground);
})()";

#[test]
#[ignore = "needs Chromium"]
fn a_form_says_that_it_is_being_sent() {
    let open = OpenForm::new();
    let browser = &open.browser;
    let status = "document.querySelector('[role=status]').textContent";
    assert_eq!(browser.text(status), "");
    open.enter("slow");
    let held = open.held.lock();
    browser.press(ENTER);
    browser.wait_until(status, "Sending to the gateway\u{2026}");
    let button = "document.querySelector('[type=submit]').ariaDisabled";
    assert_eq!(browser.text(button), "true");
    browser.inspect("busy");
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        let contrast = browser.look(CONTRAST).as_f64().unwrap();
        assert!(contrast >= 4.5, "{scheme}: {contrast}");
    }
    drop(held);
    browser.wait_for("Connected to weather");
    assert_eq!(open.sent(), 1);
}
