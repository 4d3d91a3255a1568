//! `nexus connect --field`: credentials are entered, and never shown.

use nexus_sdk::serde_json::{self, Value, json};
use nexus_sdk::testing::Fault;

use crate::{Bench, Ran, finish, spawn};

const SECRET: &str = "hunter\"2\\";

#[test]
fn a_credential_is_a_line_of_stdin_for_each_field() {
    let bench = Bench::new("entered");
    // (arguments, stdin, the credential that the gateway stores)
    let cases = [
        (
            "weather --field api_key=-",
            "k 1\n",
            json!({"api_key": "k 1"}),
        ),
        ("weather --field api_key", "k-2", json!({"api_key": "k-2"})),
        (
            "weather --field api_key=-",
            "\u{feff}k-3\r\n",
            json!({"api_key": "k-3"}),
        ),
        (
            "weather --field=api_key=- --json",
            "k=3\r\nmore\n",
            json!({"api_key": "k=3"}),
        ),
        (
            "weather --field api_key --no-wait",
            "k\t4\n",
            json!({"api_key": "k\t4"}),
        ),
        (
            "registry --field username --field password=-",
            "me\np\n",
            json!({"username": "me", "password": "p"}),
        ),
        (
            "registry --field password --field username --json",
            "\nme\n",
            json!({"username": "me", "password": ""}),
        ),
    ];
    for (args, stdin, credential) in cases {
        let ran = bench.run_with(&format!("connect -p {args}"), stdin.as_bytes());
        let waited = !args.contains("--no-wait");
        assert_eq!(ran.code, 0, "{args}: {}", ran.err);
        assert_eq!(!ran.err.is_empty(), waited, "{args}: {}", ran.err);
        let id = connection(&ran, args);
        assert_eq!(bench.run(&format!("status {id}")).out, "active\n");
        let held = bench.run(&format!("token --show --json {id}")).json(args);
        assert_eq!(held["credentials"], credential, "{args}");
        let (provider, _) = args.split_once(' ').unwrap();
        let user = bench.run(&format!("fetch --fail -p {provider} {{url}}/user"));
        assert_eq!(user.code, 0, "{args}: {}", user.err);
    }
}

/// The printed connection id.
fn connection(ran: &Ran, args: &str) -> String {
    if !args.contains("--json") {
        return ran.out.trim_end().to_owned();
    }
    let value: Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    assert_eq!(value["status"], "active", "{args}");
    value["connection_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_secret_in_the_arguments_is_refused_unseen() {
    let bench = Bench::new("arguments");
    let visible = "other users of this machine can see arguments";
    let cases = [
        ("connect -p weather --field api_key=hunter2", visible),
        ("connect -p weather --field api_key=-hunter2", visible),
        ("connect -p weather --field=api_key=", visible),
        ("connect -p weather --field hunter2=", visible),
        (
            "connect -p weather --field api_key=- hunter2",
            "unexpected argument found",
        ),
        ("connect -p weather --field api_key=- --hunter", "--hunter"),
        ("connect -p weather --field =-", "write it as NAME=-"),
        ("connect -p weather --field ''", "write it as NAME=-"),
        ("connect -p weather --field a --field a=-", "given twice"),
        ("connect -p weather --field", "--field"),
    ];
    for (args, part) in cases {
        let ran = bench.run_with(args, b"k\n");
        ran.assert_error(2, part, args);
        assert!(!ran.err.contains("hunter2"), "{args}: {}", ran.err);
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let mut command = bench.command("connect -p weather --field");
        command.arg(std::ffi::OsStr::from_bytes(b"api_key=hunter2\xff"));
        let ran = finish(spawn(&mut command), b"");
        ran.assert_error(2, "invalid UTF-8", "not UTF-8");
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    }
    assert_eq!(bench.gateway.count(""), 0);
}

#[test]
fn fields_that_do_not_fit_are_named() {
    let bench = Bench::new("fields");
    bench.assert_errors(&[
        (
            "connect -p weather --field token",
            2,
            "wrong fields (unknown: token, missing: api_key); give --field api_key=-",
        ),
        (
            "connect -p registry --field username",
            2,
            "wrong fields (missing: password); give --field password=- --field username=-",
        ),
        (
            "connect -p weather --field api_key --field x",
            2,
            "wrong fields (unknown: x); give --field api_key=-",
        ),
        (
            "connect -p weather --field api_key",
            2,
            "stdin ended before api_key",
        ),
        ("connect -p github --field api_key", 1, "omit --field"),
        (
            "connect -p nobody --field api_key",
            1,
            "give another --provider",
        ),
    ]);
    let stdins: [(&[u8], i32, &str); 6] = [
        (b"\n", 1, "missing required field: api_key"),
        (b"\xff\n", 1, "cannot read stdin"),
        (b" \n", 2, "the value of api_key consists of white space"),
        ("\t\u{a0}\r\n".as_bytes(), 2, "api_key consists of white"),
        (
            b"k\r\r\n",
            2,
            "the value of api_key has a control character",
        ),
        (
            b"k\x1b[D\n",
            2,
            "the value of api_key has a control character",
        ),
    ];
    for (stdin, code, part) in stdins {
        let sent = bench.gateway.count("/v1/capture-credential");
        let ran = bench.run_with("connect -p weather --field api_key", stdin);
        ran.assert_error(code, part, part);
        let sent = bench.gateway.count("/v1/capture-credential") - sent;
        assert_eq!(sent, usize::from(stdin == b"\n"), "{part}");
    }
    let ran = bench.run_with(
        "connect -p registry --field username --field password",
        b"me\n \n",
    );
    ran.assert_error(2, "the value of password consists of white space", "blank");
}

#[test]
fn a_schema_that_says_little_refuses_nothing() {
    let bench = Bench::new("schemas");
    for schema in [json!({}), json!({"type": "object", "required": "api_key"})] {
        bench.reply("/v1/capture-schema", 200, &schema);
        let ran = bench.run_with("connect -p weather --field api_key", b"k\n");
        assert_eq!(ran.code, 0, "{schema}: {}", ran.err);
    }
}

#[test]
fn a_credential_is_never_printed() {
    let bench = Bench::new("unprinted");
    let quoting = json!({"error": "broker_error", "message": format!("refused: {SECRET}")});
    let taken = json!({"connection_id": bench.github, "status": "active"});
    for (code, status, reply, part) in [
        (1, 502, quoting, "refused: [redacted]"),
        (0, 200, taken, ""),
    ] {
        for args in ["", "--json"] {
            bench.reply("/v1/capture-credential", status, &reply);
            let mut command = bench.command(&format!("connect -p weather --field api_key {args}"));
            command.env("NEXUS_LOG", "debug");
            let ran = finish(spawn(&mut command), format!("{SECRET}\n").as_bytes());
            assert_eq!(ran.code, code, "{reply}: {}", ran.err);
            assert!(ran.err.contains(part), "{reply}: {}", ran.err);
            let printed = ran.out + &ran.err;
            assert!(!printed.contains("hunter"), "{printed}");
        }
    }
}

#[test]
fn a_connection_without_a_state_has_no_form() {
    let bench = Bench::new("state");
    let requested = json!({"authUrl": "http://127.0.0.1/", "connection_id": bench.github});
    bench.reply("/v1/request-connection", 200, &requested);
    let ran = bench.run_with("connect -p weather --field api_key", b"k\n");
    ran.assert_error(1, "has no `state`", "no state");
}

#[test]
fn a_credential_that_takes_effect_later_is_waited_for() {
    let bench = Bench::new("later");
    let reply = json!({"connection_id": bench.github, "status": "pending"});
    let cases = [
        (
            "active",
            "",
            0,
            "connected workspace acme to provider weather\n",
        ),
        (
            "attention",
            "",
            6,
            "run `nexus connect` again, with another credential\n",
        ),
        ("revoked", "--no-wait", 0, ""),
    ];
    for (status, args, code, last) in cases {
        bench.reply("/v1/capture-credential", 200, &reply);
        assert!(bench.gateway.set_status(&bench.github, status));
        let args = format!("connect -p weather --field api_key {args}");
        let ran = bench.run_with(&args, b"k\n");
        assert_eq!(ran.code, code, "{status}: {}", ran.err);
        assert!(ran.err.ends_with(last), "{status}: {}", ran.err);
    }
}

#[test]
fn without_fields_connect_says_which_to_give() {
    let bench = Bench::new("hint");
    let again = "to enter the credential, run `nexus connect` again with --field";
    let cases = [
        ("weather", format!("{again} api_key=-\n")),
        (
            "registry",
            format!("{again} password=- --field username=-\n"),
        ),
    ];
    for (provider, hint) in cases {
        let ran = bench.run(&format!("connect --no-wait -p {provider}"));
        assert_eq!((ran.code, ran.err), (0, hint), "{provider}");
    }
    let ran = bench.run("connect --no-wait");
    assert!(
        ran.err.starts_with("to consent, open http://"),
        "{}",
        ran.err
    );
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    for path in ["/v1/providers", "/v1/capture-schema"] {
        bench.gateway.fail_next_at(path, 1, Fault::Status(502));
        let ran = bench.run("connect --no-wait -p weather");
        assert_eq!(
            (ran.code, ran.err.lines().count()),
            (0, 1),
            "{path}: {}",
            ran.err
        );
    }
}

/// Returns the words into which a shell splits the text.
#[cfg(unix)]
fn shell_words(text: &str) -> Vec<String> {
    let script = format!("printf '%s\\n' {text}");
    let mut shell = std::process::Command::new("/bin/sh");
    let output = shell.args(["-c", &script]).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    words.lines().map(str::to_owned).collect()
}

#[cfg(unix)]
#[test]
fn a_command_to_copy_is_quoted_for_a_shell() {
    let bench = Bench::new("quoted");
    for name in [
        "k;touch {dir}/run;#",
        "$(touch {dir}/run)",
        "`touch {dir}/run`",
        "it's|a b",
        "a\"&\\*~",
    ] {
        let name = bench.filled(name);
        let schema = json!({"schema": {"properties": {&name: {}}}});
        for (args, code, start) in [
            ("--no-wait", 0, "run `nexus connect` again with "),
            ("--field other", 2, "; give "),
        ] {
            bench.reply("/v1/capture-schema", 200, &schema);
            let ran = bench.run(&format!("connect -p weather {args}"));
            assert_eq!(ran.code, code, "{name}: {}", ran.err);
            let (_, options) = ran.err.split_once(start).unwrap();
            let words = shell_words(options);
            assert_eq!(words, ["--field", &format!("{name}=-")], "{name}");
        }
        assert!(!bench.file("run").exists(), "{name}");
    }
}
