//! The results and errors of commands.

use std::time::{Duration, Instant};

use nexus_sdk::serde_json::{Value, json};
use nexus_sdk::testing::Fault;

use crate::{Bench, KEY, finish, spawn};

#[test]
fn every_command_prints_its_result() {
    let bench = Bench::new("results");
    let cases: &[(&str, &str)] = &[
        ("--help", "Exit codes:"),
        ("fetch --help", "Usage: nexus fetch [OPTIONS] <URL>"),
        ("help", "Exit codes:"),
        ("--version", "nexus 0."),
        ("status {github}", "active\n"),
        ("status", "active\n"),
        ("token {github}", "strategy       oauth2\n"),
        ("token -pweather", "header        X-API-Key\n"),
        ("token --workspace=acme", "(hidden; --show prints it)\n"),
        (
            "token {registry}",
            "(hidden; --show --json with the connection's id prints them)\n",
        ),
        ("refresh {github}", "token_type     Bearer\n"),
        (
            "fetch {url}/user",
            r#"{"login":"acme","provider":"github"}"#,
        ),
        ("fetch -pregistry {url}/user", r#""provider":"registry""#),
        (
            "providers",
            "NAME      AUTH TYPE   SCOPES     DESCRIPTION\n",
        ),
        (
            "providers",
            "github    oauth2      repo,user  The sample upstream as github\n",
        ),
        ("env", "WORKSPACE_ID       acme\n"),
        ("env", "NEXUS_LOG          (not set)\n"),
    ];
    for (args, part) in cases {
        let ran = bench.run(args);
        assert_eq!(ran.code, 0, "{args}: {}", ran.err);
        let out = ran.out.replace("nexus.exe", "nexus");
        assert!(out.contains(part), "{args}: {out}");
        assert_eq!(ran.err, "", "{args}");
    }
}

#[test]
fn json_is_one_line_with_these_fields() {
    let bench = Bench::new("json");
    let cases: &[(&str, &[&str])] = &[
        ("status {github}", &["connection_id", "status"]),
        ("status", &["workspace", "provider", "status"]),
        (
            "token {github}",
            &["connection_id", "expires_at", "expires_in", "strategy"],
        ),
        ("token", &["workspace", "provider", "header", "expires_in"]),
        ("token --show", &["access_token"]),
        ("token --show {registry}", &["credentials"]),
        ("refresh {github}", &["connection_id", "token_type"]),
        ("env", &["NEXUS_GATEWAY_URL", "NEXUS_API_KEY", "NEXUS_LOG"]),
        (
            "connect --no-wait",
            &["connection_id", "status", "auth_url"],
        ),
        ("providers", &["providers"]),
        (
            "revoke --yes {github}",
            &["connection_id", "status", "revoked_at"],
        ),
    ];
    for (args, fields) in cases {
        let value = bench.run(&format!("{args} --json")).json(args);
        for field in *fields {
            assert!(value.get(field).is_some(), "{args}: no {field} in {value}");
        }
    }
}

#[test]
fn errors_are_one_line_and_have_their_exit_code() {
    let bench = Bench::new("errors");
    let cases: &[(&str, i32, &str)] = &[
        ("revok", 2, "a similar subcommand exists: 'revoke'"),
        (
            "fly",
            2,
            "unrecognized subcommand 'fly'; see `nexus --help`",
        ),
        ("fetch --fly", 2, "unexpected argument '--fly' found"),
        (
            "refresh",
            2,
            "not provided: <CONNECTION>; see `nexus refresh --help`",
        ),
        ("status ' '", 2, "for '[CONNECTION]': it is blank"),
        ("status a b", 2, "unexpected argument"),
        ("status a --show", 2, "--show"),
        (
            "token 11111111-2222-3333-4444-555555555555",
            6,
            "run `nexus connect`",
        ),
        ("token ' '", 2, "it is blank"),
        ("connect --scope ''", 2, "it is blank"),
        (
            "token -w ' '",
            2,
            "no workspace: give --workspace or set WORKSPACE_ID",
        ),
        (
            "token -p ''",
            2,
            "no provider: give --provider or set PROVIDER",
        ),
        (
            "token a -w b",
            2,
            "'[CONNECTION]' cannot be used with '--workspace <ID>'",
        ),
        (
            "status a -p b",
            2,
            "'[CONNECTION]' cannot be used with '--provider <NAME>'",
        ),
        ("token -w nobody", 6, "run `nexus connect`"),
        ("token --show {registry}", 1, "`--show --json`"),
        ("refresh {registry}", 1, "cannot be refreshed"),
        ("connect -p nobody", 1, "give another --provider"),
        (
            "connect --timeout=abc",
            2,
            "give a number of seconds, 0 or more, or a time such as 90s or 5m; see `nexus connect --help`",
        ),
        ("connect --no-wait --return-url ''", 2, "return_url"),
        ("revoke", 2, "<CONNECTION>"),
        ("revoke --yes nobody", 1, "check the connection id"),
        (
            "revoke --yes {github} -w other",
            1,
            ": Connection not found; check the connection id, and --workspace if given\n",
        ),
        ("revoke -y {github} -w ''", 2, "workspace_id"),
        ("revoke {github}", 2, "no terminal; give --yes"),
        ("revoke a b", 2, "unexpected argument"),
        ("providers --show", 2, "--show"),
        ("gateway acme", 2, "[=STRATEGY]]...': write it"),
        ("gateway --port 99999", 2, "--port <PORT>"),
        ("gateway a:b=saml", 2, "aws_sigv4"),
    ];
    bench.assert_errors(cases);
}

/// A program that reads `--json` reads errors too.
#[test]
fn with_json_an_error_is_json() {
    let bench = Bench::new("json-errors");
    let cases: &[(&str, i32, &str, &str)] = &[
        (
            "token --json -w nobody",
            6,
            "connection_not_found",
            "run `nexus connect`",
        ),
        ("providers --json --timeout 1e-9", 7, "timeout", "timed out"),
        ("revoke --json {github}", 2, "usage", "give --yes"),
        (
            "revoke --json --yes nobody",
            1,
            "invalid_connection_id",
            "check the connection id",
        ),
        (
            "status --json -w nobody",
            6,
            "not_connected",
            "no active connection",
        ),
        (
            "connect --json -p nobody",
            1,
            "provider_not_found",
            "give another --provider",
        ),
        ("token --json -w ''", 2, "usage", "no workspace"),
        ("token --json a b", 2, "usage", "see `nexus token --help`"),
        (
            "--gateway {url} token --json --show=x",
            2,
            "usage",
            "see `nexus token --help`",
        ),
        (
            "health --json --gateway http://127.0.0.1:1",
            1,
            "request_failed",
            "connection refused",
        ),
        // The SDK would log that the token cannot be renewed.
        (
            "token --json --gateway http://127.0.0.1:1",
            1,
            "request_failed",
            "connection refused",
        ),
    ];
    for (args, code, word, part) in cases {
        let ran = bench.run(args);
        let error = ran.json_error(*code, args);
        assert_eq!((ran.err.lines().count(), &*ran.out), (1, ""), "{args}");
        assert_eq!(error["error"], *word, "{args}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(part), "{args}: {error}");
    }
    let args = "token --json --gateway http://127.0.0.1:1";
    let ran = bench.run_in(args, "NEXUS_LOG", "warn");
    assert!(ran.err.starts_with("[NexusSDK] warn: "), "{}", ran.err);
    ran.json_error(1, args);
    // These have no such option: it belongs to the command that they run, or it is data.
    for args in [
        "exec -p nobody -- echo --json",
        "fetch -d --json http://127.0.0.1:1/ -p nobody",
    ] {
        bench.run(args).assert_error(6, "run `nexus connect`", args);
    }
}

#[test]
fn an_error_has_the_time_until_the_next_attempt() {
    let bench = Bench::new("retry-after");
    for (args, path) in [
        ("token", "/v1/resolve"),
        ("token {github}", "/v1/token"),
        ("providers", "/v1/providers"),
        ("connect", "/v1/request-connection"),
        ("connect -p weather --field api_key", "/v1/capture-schema"),
    ] {
        let limit = || Fault::RetryAfter {
            status: 429,
            value: "30".to_owned(),
        };
        bench.gateway.fail_next_at(path, 1, limit());
        let ran = bench.run(args);
        ran.assert_error(1, " (retry in 30 s)\n", args);
        bench.gateway.fail_next_at(path, 1, limit());
        let error = bench.run(&format!("{args} --json")).json_error(1, args);
        assert_eq!(error["retry_after"], 30, "{args}: {error}");
        assert!(!error.to_string().contains("30 s"), "{args}: {error}");
    }
    let error = bench.run("providers --json --timeout 1e-9");
    assert_eq!(error.json_error(7, "timeout").get("retry_after"), None);
}

#[test]
fn the_option_names_the_gateway_before_the_environment_does() {
    let bench = Bench::new("option");
    for args in [
        "--gateway {url} token",
        "token --gateway={url}",
        "providers --gateway ' {url} '",
        "status {github} --gateway {url}/",
        "fetch --gateway {url} {url}/user",
        "connect --no-wait --gateway {url}",
    ] {
        for environment in ["http://127.0.0.1:1", ""] {
            let ran = bench.run_in(args, "NEXUS_GATEWAY_URL", environment);
            assert_eq!(ran.code, 0, "{args}: {}", ran.err);
        }
    }
    let shown = bench.run("env --gateway http://me:hunter2@a.example --json");
    assert!(shown.out.contains("(hidden)@a.example"), "{}", shown.out);
    let env = bench.run("env --gateway {url}");
    assert_eq!((env.code, env.err.as_str()), (0, ""));
    bench.assert_errors(&[
        ("token --gateway ''", 2, "it is blank"),
        ("token --gateway nowhere", 2, "has no scheme"),
        (
            "--gateway {url} tokn",
            2,
            "a similar subcommand exists: 'token'",
        ),
        ("--gateway {url} refresh", 2, "see `nexus refresh --help`"),
    ]);
    let ran = bench.run_in("token --gateway {url}", "NEXUS_API_KEY", "wrong");
    ran.assert_error(1, "(set NEXUS_API_KEY)", "the key of the environment");
}

#[test]
fn a_time_has_a_unit_or_is_in_seconds() {
    let bench = Bench::new("times");
    for time in ["0.3", "300ms", "0.3s", "0.005m", "0s300ms", "3e-1"] {
        let delay = Fault::Delay(Duration::from_secs(5));
        bench.gateway.fail_next_at("/v1/providers", 1, delay);
        let start = Instant::now();
        let ran = bench.run(&format!("providers --timeout {time}"));
        ran.assert_error(7, "timed out", time);
        assert!(start.elapsed() >= Duration::from_millis(300), "{time}");
    }
    for time in ["5m", "1h30m", "90s", "2d", "1.5h", "30", "0", "0s"] {
        let ran = bench.run(&format!("providers --timeout {time}"));
        assert_eq!(ran.code, 0, "{time}: {}", ran.err);
    }
    for time in [
        "m", "5 m", "5x", "5ms5", "s5", "5M", "", "1.2.3s", "inf", "NaN", "1e3s",
    ] {
        let ran = bench.run(&format!("providers --timeout '{time}'"));
        ran.assert_error(2, "or a time such as 90s or 5m", time);
    }
}

#[test]
fn env_shows_variables_without_their_secrets() {
    let bench = Bench::new("parts");
    for (name, value, shown) in [
        ("WORKSPACE_ID", "me@example.com?a", "me@example.com?a"),
        ("PROVIDER", "a@b", "a@b"),
        ("NEXUS_LOCK_DIR", "/home/me@corp", "/home/me@corp"),
        ("NEXUS_LOCK_DIR", "", "(empty: no lock)"),
        ("NEXUS_LOG", "", "(not set)"),
        ("HTTP_PROXY", "user:hunter2@proxy:80", "(hidden)@proxy:80"),
        ("NO_PROXY", "a.example", "a.example"),
        (
            "NEXUS_GATEWAY_URL",
            "http://127.0.0.1:1/?key=hunter2",
            "http://127.0.0.1:1/?(hidden)",
        ),
    ] {
        let ran = bench.run_in("env", name, value);
        let mut lines = ran.out.lines();
        let found = lines
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim);
        assert_eq!(found, Some(shown), "{name}: {}", ran.out);
    }
}

#[test]
fn all_missing_settings_are_named_at_once() {
    let bench = Bench::new("missing");
    let settings = [
        (
            "NEXUS_GATEWAY_URL",
            "no gateway: give --gateway or set NEXUS_GATEWAY_URL",
        ),
        (
            "WORKSPACE_ID",
            "no workspace: give --workspace or set WORKSPACE_ID",
        ),
        ("PROVIDER", "no provider: give --provider or set PROVIDER"),
    ];
    for args in ["token", "connect", "fetch {url}", "exec true"] {
        for unset in [&[0, 1, 2][..], &[0, 2], &[1]] {
            let mut command = bench.command(args);
            let problems = unset.iter().map(|&index| {
                command.env_remove(settings[index].0);
                settings[index].1
            });
            let line = format!("nexus: {}\n", problems.collect::<Vec<_>>().join("; "));
            let ran = finish(spawn(&mut command), b"");
            assert_eq!((ran.code, ran.err), (2, line), "{args}");
        }
    }
}

/// A file of variables with CRLF, which a shell has read.
#[test]
fn a_variable_is_trimmed() {
    let bench = Bench::new("trimmed");
    let url = bench.gateway.url().to_owned();
    for (name, value) in [
        ("NEXUS_GATEWAY_URL", url.as_str()),
        ("NEXUS_API_KEY", KEY),
        ("WORKSPACE_ID", "acme"),
        ("PROVIDER", "github"),
    ] {
        for args in ["token", "token --gateway {url}"] {
            let ran = bench.run_in(args, name, format!(" {value}\r"));
            assert_eq!(ran.code, 0, "{name}: {}", ran.err);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf_8_is_named() {
    use std::os::unix::ffi::OsStrExt as _;

    let bench = Bench::new("utf-8");
    for name in [
        "NEXUS_GATEWAY_URL",
        "NEXUS_API_KEY",
        "WORKSPACE_ID",
        "PROVIDER",
    ] {
        let ran = bench.run_in("token", name, std::ffi::OsStr::from_bytes(b"caf\xe9"));
        let problem = format!("{name}: is not UTF-8");
        let spelled = ran.err.contains(&problem) || ran.err.contains(&problem.replace(':', ""));
        assert!(ran.code == 2 && spelled, "{name}: {} {}", ran.code, ran.err);
    }
}

#[test]
fn a_timeout_of_zero_is_the_default_or_one_check() {
    let bench = Bench::new("zero");
    for args in [
        "token",
        "token {github}",
        "status {github}",
        "refresh {github}",
        "providers",
        "health",
        "fetch {url}/user",
    ] {
        let ran = bench.run(&format!("{args} --timeout 0"));
        assert_eq!(ran.code, 0, "{args}: {}", ran.err);
    }
    let ran = bench.run("connect --timeout 0");
    assert_eq!((ran.code, ran.out.as_str()), (7, ""), "{}", ran.err);
    assert!(ran.err.contains("not active after 0ns"), "{}", ran.err);
}

/// 0.1 ns rounds to 0.
#[test]
fn a_timeout_is_never_longer_than_it_says() {
    let bench = Bench::new("short");
    for timeout in ["1e-10", "1e-300", "0.000001"] {
        let ran = bench.run(&format!("providers --timeout {timeout}"));
        ran.assert_error(7, "timed out", timeout);
    }
}

#[test]
fn foreign_text_can_neither_hide_nor_reorder_what_a_terminal_shows() {
    let bench = Bench::new("hidden");
    // (a name of a provider, as a terminal shows it)
    for (name, shown) in [
        ("git\u{202e}buh", "git\u{fffd}buh"),
        ("a\u{200b}b\u{2066}c\u{feff}", "a\u{fffd}b\u{fffd}c\u{fffd}"),
        ("a\u{e0041}", "a\u{fffd}"),
        ("a\u{2028}b\u{1b}[31m", "a\u{fffd}b [31m"),
        ("é 東 👍", "é 東 👍"),
    ] {
        bench.reply("/v1/providers", 200, &json!({"api_key": {name: {}}}));
        let ran = bench.run("providers");
        assert!(ran.out.contains(&format!("\n{shown}  ")), "{:?}", ran.out);
        bench.reply("/v1/providers", 200, &json!({"api_key": {name: {}}}));
        let ran = bench.run("providers --json");
        assert_eq!(ran.json(name)["providers"][0]["name"], name);
    }
    // In JSON, they are escaped, and everything else is unchanged.
    let token = json!({"access_token": "a\u{9b}\u{7f}\u{202e}\u{200f}\u{2069}\u{61c}\u{85}\u{2028}\u{2029}\u{200d}é\n"});
    bench.reply("/v1/token", 200, &token);
    let ran = bench.run("token --show --json {github}");
    let escaped =
        r#""a\u009b\u007f\u202e\u200f\u2069\u061c\u0085\u2028\u2029"#.to_owned() + "\u{200d}é\\n\"";
    assert!(ran.out.contains(&escaped), "{:?}", ran.out);
    assert_eq!(ran.json("token")["access_token"], token["access_token"]);
    bench.reply(
        "/health",
        400,
        &json!({"error": "broker_error", "message": "no\u{202e}pe"}),
    );
    let ran = bench.run("health");
    assert!(!ran.err.contains('\u{202e}'), "{:?}", ran.err);
}

#[test]
fn a_wrong_configuration_is_named() {
    let bench = Bench::new("configuration");
    let cases: &[(&str, &str, i32, &str)] = &[
        ("NEXUS_GATEWAY_URL", "", 2, "NEXUS_GATEWAY_URL"),
        (
            "NEXUS_GATEWAY_URL",
            "nowhere",
            2,
            "NEXUS_GATEWAY_URL: has no scheme",
        ),
        (
            "NEXUS_GATEWAY_URL",
            "http://127.0.0.1:1",
            1,
            "connection refused",
        ),
        ("NEXUS_API_KEY", "wrong", 1, "(set NEXUS_API_KEY)"),
    ];
    for (name, value, code, part) in cases {
        bench
            .run_in("token {github}", name, value)
            .assert_error(*code, part, name);
    }
}

#[test]
fn nothing_secret_is_printed_without_show() {
    let bench = Bench::new("secrets");
    let mut secrets = vec![KEY.to_owned(), "hunter2".to_owned()];
    for id in ["{github}", "{registry}"] {
        let shown = bench.run(&format!("token --show --json {id}")).json(id);
        let of_fields = ["access_token", "password"].map(|name| shown["credentials"][name].clone());
        secrets.extend(
            of_fields
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned),
        );
    }
    let basic = bench.run("token --show -pregistry").out;
    secrets.push(basic.trim().to_owned());
    assert_eq!(secrets.len(), 5);
    let commands = [
        "env",
        "status {github}",
        "token {github}",
        "token {registry}",
        "token",
        "token -pregistry",
        "connect --no-wait",
        "fetch -H 'Authorization hunter2' {url}/user",
        "fetch http://user:hunter2@127.0.0.1/",
        "fetch -i {url}/user",
    ];
    for args in commands {
        for json in ["", " --json"] {
            let args = format!("{args}{json}");
            let ran = bench.run_in(&args, "HTTPS_PROXY", "http://user:hunter2@127.0.0.1:1");
            let printed = ran.out + &ran.err;
            let leak = secrets.iter().find(|secret| printed.contains(*secret));
            assert_eq!(leak, None, "{args}: {printed}");
        }
    }
}

#[test]
fn revoke_ends_a_connection_once() {
    let bench = Bench::new("revoke");
    let revoked = bench.run("revoke -y {github} -w acme --reason 'left the team'");
    assert_eq!((revoked.code, revoked.err.as_str()), (0, ""));
    for line in ["already_revoked   false\n", "token_deleted     true\n"] {
        assert!(revoked.out.contains(line), "{}", revoked.out);
    }
    let query = bench.gateway.requests().pop().unwrap().query;
    let sent = "workspace_id=acme&reason=left%20the%20team";
    assert_eq!(query.as_deref(), Some(sent));
    assert!(
        bench
            .run("status {github}")
            .out
            .starts_with("failed: connection_revoked: ")
    );
    bench
        .run("token {github}")
        .assert_error(6, "run `nexus connect`", "token");
    let again = bench.run("revoke --yes {github} --json").json("again");
    assert_eq!(again["already_revoked"], true);
    assert_eq!(again["connection_id"], bench.github);

    let unrouted = Fault::reply(404, "text/plain", "404 page not found");
    bench.gateway.fail_next_at("/v1/connections", 1, unrouted);
    let old = bench.run("revoke --yes {registry}");
    old.assert_error(1, "may be older than 0.4", "an old gateway");
    assert_eq!(bench.run("status {registry}").out, "active\n");
}

#[test]
fn providers_are_listed_with_what_is_known_of_them() {
    let bench = Bench::new("providers");
    let all = bench.run("providers --json").json("providers");
    let named = |name: &str| {
        let all = all["providers"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(named("weather")["auth_type"], "api_key");
    assert_eq!(named("github")["scopes"][0], "repo");
    let odd = json!({"api_key": {"b\nad\u{1b}": {"description": "two\nlines"}, "plain": null}});
    for (reply, out) in [
        (json!({}), "NAME  AUTH TYPE  SCOPES  DESCRIPTION\n"),
        (
            odd,
            "NAME   AUTH TYPE  SCOPES  DESCRIPTION\nb ad   api_key            two lines\nplain  api_key\n",
        ),
    ] {
        bench.reply("/v1/providers", 200, &reply);
        let ran = bench.run("providers");
        assert_eq!((ran.code, ran.out.as_str()), (0, out), "{}", ran.err);
    }
}

#[test]
fn refresh_shows_a_new_token_only_on_demand() {
    let bench = Bench::new("refresh");
    let old = bench.run("token --show {github}").out;
    let new = bench.run("refresh --show {github}");
    assert_eq!((new.code, new.out.lines().count()), (0, 1));
    assert_ne!(new.out, old);
    assert_eq!(bench.run("token --show").out, new.out);
    let hidden = bench.run("refresh --json {github}").json("refresh");
    assert_eq!(hidden.get("access_token"), None);
}

#[test]
fn a_connection_that_needs_the_user_has_its_own_exit_code() {
    let bench = Bench::new("attention");
    for status in ["attention", "revoked"] {
        assert!(bench.gateway.set_status(&bench.github, status));
        for args in ["token", "token {github}", "status", "fetch {url}/user"] {
            bench
                .run(args)
                .assert_error(6, "run `nexus connect`", status);
        }
        let ran = bench.run("status {github}");
        assert_eq!((ran.code, ran.err.as_str()), (6, ""));
        let shown = ran.out;
        assert!(
            shown.starts_with("failed: ") && shown.contains("run `nexus connect`"),
            "{shown}"
        );
    }
}

#[test]
fn a_closed_stderr_changes_no_exit_code() {
    let bench = Bench::new("stderr");
    let mut child = spawn(&mut bench.command("token 11111111-2222-3333-4444-555555555555"));
    drop(child.stderr.take());
    assert_eq!(finish(child, b"").code, 6);
}
