//! Texts for people: dates, reasons, and advice.

use nexus_sdk::serde_json::{Value, json};

use crate::{Bench, Ran, now};

/// Schedules the gateway's response to the calls for a token. A connection that is not found is asked about twice.
fn reply_to_token_calls(bench: &Bench, status: u16, body: &Value) {
    let calls = if body["error"] == "connection_not_found" {
        2
    } else {
        1
    };
    for _ in 0..calls {
        bench.reply("/v1/token", status, body);
    }
}

#[test]
fn status_says_why_a_connection_is_not_active() {
    let bench = Bench::new("why");
    let error = |code: &str| json!({ "error": code });
    // (status, the gateway's response to a call for the token, exit code, advice on stdout)
    let cases = [
        (
            "failed",
            400,
            error("connection_not_active"),
            6,
            "the user has not consented yet",
        ),
        (
            "failed",
            409,
            error("attention_required"),
            6,
            "(run `nexus connect`)",
        ),
        (
            "failed",
            410,
            error("connection_revoked"),
            6,
            "(run `nexus connect`)",
        ),
        (
            "failed",
            404,
            error("connection_not_found"),
            6,
            ", or run `nexus connect`",
        ),
        (
            "failed",
            403,
            error("invalid_api_key"),
            1,
            "have different keys",
        ),
        ("pending", 502, error("broker_unavailable"), 1, ""),
        (
            "failed",
            200,
            json!({"access_token": "t"}),
            0,
            "its token can still be used",
        ),
        (
            "archived",
            400,
            error("connection_not_active"),
            6,
            "the user has not consented yet",
        ),
    ];
    for (status, http, body, code, advice) in cases {
        bench.reply("/v1/check-connection", 200, &json!({ "status": status }));
        reply_to_token_calls(&bench, http, &body);
        let ran = bench.run("status {github}");
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{body}");
        let start = match body["error"].as_str() {
            Some(error) => format!("{status}: {error}: "),
            None => format!("{status}: "),
        };
        assert!(ran.out.starts_with(&start), "{body}: {}", ran.out);
        assert!(ran.out.contains(advice), "{body}: {}", ran.out);
        assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
    }
}

#[test]
fn status_as_json_has_the_gateways_own_word_and_the_same_exit_code() {
    let bench = Bench::new("why-json");
    let error = |code: &str| json!({ "error": code });
    bench.reply("/v1/check-connection", 200, &error("x"));
    let ran = bench.run("status {github} --json");
    let stopped = ran.json_error(1, "no status");
    assert_eq!(stopped["error"], "invalid_response");
    for (code, http, body, reason) in [
        (6, 409, error("attention_required"), "attention_required: "),
        (1, 502, error("broker_unavailable"), "broker_unavailable: "),
        (
            0,
            200,
            json!({"access_token": "t"}),
            "its token can still be used",
        ),
    ] {
        let failed = json!({"status": "failed"});
        bench.reply("/v1/check-connection", 200, &failed);
        bench.reply("/v1/token", http, &body);
        let mut ran = bench.run("status {github} --json");
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{body}");
        ran.code = 0;
        let value = ran.json("status");
        assert_eq!(value["connection_id"], bench.github);
        assert_eq!(value["status"], "failed");
        assert!(
            value["reason"].as_str().unwrap().starts_with(reason),
            "{value}"
        );
    }
    bench.gateway.forget_requests();
    let exact = json!({"connection_id": bench.github, "status": "active"});
    assert_eq!(bench.run("status {github} --json").json("active"), exact);
    assert_eq!(bench.gateway.count("/v1/token"), 0, "active says it all");
}

/// The line of stdout that starts with this name.
fn line<'a>(ran: &'a Ran, name: &str) -> &'a str {
    let line = ran.out.lines().find(|line| line.starts_with(name));
    line.unwrap_or_else(|| panic!("no {name}: {}", ran.out))
}

#[test]
fn an_expiry_is_a_date_and_how_long_that_is() {
    let bench = Bench::new("dates");
    let now = i64::try_from(now()).unwrap();
    // (seconds from now, far from where the text changes; the end of the line)
    let cases = [
        (118 * 60 + 50, "in 118 minutes"),
        (26 * 3_600 + 1_800, "in 26 hours"),
        (9 * 86_400 + 3_600, "in 9 days"),
        (-150, "expired 2 minutes ago"),
        (-7_300, "expired 2 hours ago"),
    ];
    for (seconds, text) in cases {
        let body = json!({"access_token": "t", "expires_at": now + seconds});
        bench.reply("/v1/token", 200, &body);
        let ran = bench.run("token {github}");
        let shown = line(&ran, "expires ");
        assert!(shown.ends_with(text), "{seconds}: {shown}");
    }
    bench.reply("/v1/token", 200, &json!({"access_token": "t"}));
    let unknown = bench.run("token {github}");
    assert_eq!(line(&unknown, "expires "), "expires        (not stated)");
    // The development gateway states no expiry for a key.
    let key = bench.run("token -p weather");
    assert_eq!(line(&key, "expires "), "expires       (not stated)");
    let key = bench.run("token -p weather --json").json("key");
    let stated = ["expires_at", "expires_in"].map(|name| key.get(name));
    assert_eq!(stated, [None, None], "{key}");
    bench.reply(
        "/v1/token",
        200,
        &json!({"access_token": "t", "expires_at": 4_000_000_000_u64}),
    );
    let exact = bench.run("token {github} --json").json("token");
    assert_eq!(exact["expires_at"], 4_000_000_000_u64);
    let left = exact["expires_in"].as_i64().unwrap() + now;
    assert!((3_999_999_000..=4_000_000_000).contains(&left), "{exact}");
}

#[test]
fn dates_are_those_of_the_calendar() {
    let bench = Bench::new("calendar");
    for (seconds, date) in [
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (1_709_164_800, "2024-02-29T00:00:00Z"),
        (1_767_225_599, "2025-12-31T23:59:59Z"),
        (1_772_323_200, "2026-03-01T00:00:00Z"),
        (4_107_542_399, "2100-02-28T23:59:59Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
        (253_402_300_799_u64, "9999-12-31T23:59:59Z"),
    ] {
        let body = json!({"access_token": "t", "expires_at": seconds});
        bench.reply("/v1/token", 200, &body);
        let ran = bench.run("token {github}");
        let shown = line(&ran, "expires ");
        assert!(shown.contains(&format!("  {date}, ")), "{seconds}: {shown}");
    }
}

/// Gateway 0.4 refuses every refresh as `upstream_error`; a call for the token has the reason.
#[test]
fn a_refused_refresh_asks_for_the_token() {
    let bench = Bench::new("refused");
    let refused = json!({"error": "upstream_error", "message": "Connection not active"});
    let error = |code: &str| json!({ "error": code });
    let cases = [
        (
            400,
            error("connection_not_active"),
            6,
            "connection_not_active",
        ),
        (409, error("attention_required"), 6, "attention_required"),
        (
            404,
            error("connection_not_found"),
            6,
            "connection_not_found",
        ),
        (502, error("broker_unavailable"), 1, "broker_unavailable"),
        (
            200,
            json!({"access_token": "t", "expires_in": 1000}),
            1,
            "Connection not active; the connection still has a usable token\n",
        ),
    ];
    for (status, body, code, part) in cases {
        bench.reply("/v1/refresh", 502, &refused);
        reply_to_token_calls(&bench, status, &body);
        bench
            .run("refresh {github}")
            .assert_error(code, part, &body.to_string());
    }
}

#[test]
fn a_return_url_that_is_refused_is_named() {
    let bench = Bench::new("return-url");
    let refused =
        json!({"error": "broker_error", "message": "broker returned an error", "status": 400});
    for (args, part) in [
        ("connect", "\"http://127.0.0.1:"),
        (
            "connect --return-url https://example.com/done",
            "(\"https://example.com/done\"), or pass an allowed URL with --return-url",
        ),
    ] {
        bench.reply("/v1/request-connection", 502, &refused);
        let ran = bench.run(args);
        ran.assert_error(1, part, args);
        let suspected = ran.err.contains("may not allow this return_url");
        assert!(suspected, "{}", ran.err);
    }
}

#[test]
fn health_is_the_gateways_own_word() {
    let bench = Bench::new("health");
    let well = bench.run("health");
    let words: Vec<_> = line(&well, "status").split_whitespace().collect();
    assert_eq!((well.code, words), (0, vec!["status", "healthy"]));
    bench.reply(
        "/health",
        200,
        &json!({"status": "degraded", "version": "0.4.1"}),
    );
    let ill = bench.run("health --json");
    assert_eq!(
        (ill.code, ill.out.as_str()),
        (1, "{\"status\":\"degraded\",\"version\":\"0.4.1\"}\n")
    );
    assert!(
        ill.err.contains("degraded\\\"; ask its operator"),
        "{}",
        ill.err
    );
}

#[test]
fn completions_are_scripts_of_their_shells() {
    let bench = Bench::new("completions");
    for (shell, part) in [
        ("bash", "complete -F _nexus"),
        ("zsh", "#compdef nexus"),
        ("fish", "complete -c nexus"),
    ] {
        let ran = bench.run(&format!("completions {shell}"));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{shell}");
        assert!(ran.out.contains(part), "{shell}");
    }
    bench.assert_errors(&[
        ("completions tcsh", 2, "possible values: bash"),
        ("completions", 2, "<SHELL>"),
    ]);
}

/// Calls the completion function as bash does on TAB.
#[cfg(target_os = "linux")]
#[test]
fn bash_completes_commands_and_options() {
    let bench = Bench::new("bash");
    let script = bench.run("completions bash").out;
    for (typed, completed) in [
        ("nexus git-", "git-credential"),
        ("nexus exec --en", "--env"),
        ("nexus completions z", "zsh"),
    ] {
        let ask = format!(
            "{script}\nCOMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             _nexus nexus \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let output = std::process::Command::new("bash")
            .args(["-c", &ask])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            completed,
            "{typed}"
        );
    }
}
