//! The commands that pass a credential to another program: `nexus exec`, `git-credential` and
//! `aws-credentials`.

use std::fs;

use nexus_sdk::serde_json::{Map, Value, json};
use nexus_sdk::testing::{DevGateway, Provider};

use crate::{Bench, finish, now, spawn};

/// A gateway with providers whose credential is several texts, or is not sent in a header.
fn bench(name: &str) -> (Bench, String) {
    let static_one = |name: &str, strategy: Value, fields: &[(&str, &str)]| {
        let field = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).into());
        Provider::api_key(name)
            .strategy(strategy)
            .credentials(fields.iter().map(field).collect::<Map<_, _>>())
    };
    let in_query = json!({"type": "query_param", "config": {"param_name": "key"}});
    let hmac = json!({"type": "hmac_payload", "config": {"header_name": "X-Signature"}});
    let aws = json!({"type": "aws_sigv4", "config": {"service": "execute-api"}});
    let keys = [
        ("access_key", "AKIDEXAMPLE"),
        ("secret_key", "hunter2/+"),
        ("session_token", "s-1"),
    ];
    let builder = DevGateway::builder()
        .provider(static_one("maps", in_query, &[("api_key", "k-of-maps")]))
        .provider(static_one(
            "bot",
            json!({"type": "path"}),
            &[("token", "123:abc")],
        ))
        .provider(static_one("signed", hmac, &[("api_secret", "hunter2")]))
        .provider(static_one("cloud", aws, &keys));
    let bench = Bench::with(name, builder);
    for provider in ["maps", "bot", "signed"] {
        bench.gateway.connect("acme", provider).unwrap();
    }
    let cloud = bench.gateway.connect("acme", "cloud").unwrap();
    (bench, cloud)
}

#[cfg(unix)]
#[test]
fn exec_runs_a_command_with_the_token() {
    let (bench, _) = bench("exec");
    let token = bench.run("token --show").out;
    let cases: &[(&str, i32, &str)] = &[
        ("-- sh -c 'echo $NEXUS_TOKEN'", 0, &token),
        ("sh -c 'echo $NEXUS_TOKEN'", 0, &token),
        (
            "--env GH_TOKEN -- sh -c 'echo $GH_TOKEN$NEXUS_TOKEN'",
            0,
            &token,
        ),
        ("-p maps -- sh -c 'echo $NEXUS_TOKEN'", 0, "k-of-maps\n"),
        ("-- echo --json -p", 0, "--json -p\n"),
        ("-- sh -c 'echo key:$NEXUS_API_KEY'", 0, "key:\n"),
        (
            "--env NEXUS_API_KEY -p maps -- sh -c 'echo $NEXUS_API_KEY'",
            0,
            "k-of-maps\n",
        ),
        ("-- cat", 0, "of stdin"),
        ("-- sh -c 'exit 7'", 7, ""),
        ("-- true", 0, ""),
    ];
    for (args, code, out) in cases {
        let ran = bench.run_with(&format!("exec {args}"), b"of stdin");
        assert_eq!(
            (ran.code, ran.out.as_str(), ran.err.as_str()),
            (*code, *out, ""),
            "{args}"
        );
    }
    // The process has become the command.
    let child = spawn(&mut bench.command("exec -- sh -c 'echo $$'"));
    let id = child.id().to_string();
    assert_eq!(finish(child, b"").out.trim(), id);
}

#[test]
fn what_exec_cannot_run_has_the_exit_code_of_shells() {
    let (bench, _) = bench("unrunnable");
    fs::write(bench.file("data"), "no program").unwrap();
    bench.assert_errors(&[
        ("exec", 2, "<COMMAND>"),
        ("exec --", 2, "<COMMAND>"),
        (
            "exec --env A=B true",
            2,
            "a variable's name cannot contain `=`",
        ),
        ("exec --env '' true", 2, "give the variable a name"),
        ("exec -- {dir}/missing", 127, "cannot run"),
        ("exec -p nobody -- true", 6, "run `nexus connect`"),
    ]);
    #[cfg(unix)]
    bench.assert_errors(&[("exec -- {dir}/data", 126, "ermission denied")]);
}

#[test]
fn a_credential_that_is_no_single_token_is_not_handed_on() {
    let (bench, _) = bench("several");
    for (provider, strategy) in [
        ("registry", "basic_auth"),
        ("bot", "path"),
        ("signed", "signs each request"),
        ("cloud", "signs each request"),
    ] {
        let ran = bench.run(&format!("exec -p {provider} -- true"));
        ran.assert_error(1, strategy, provider);
        assert!(!ran.err.contains("hunter2"), "{}", ran.err);
        assert_eq!(ran.err.matches("use ").count(), 1, "{}", ran.err);
        assert!(ran.err.ends_with("; use `nexus fetch`\n"), "{}", ran.err);
        let asked = b"protocol=https\nhost=example.com\n\n";
        let args = format!("git-credential --host example.com -p {provider} get");
        let ran = bench.run_with(&args, asked);
        ran.assert_error(1, strategy, provider);
        assert_eq!(ran.out, "", "{provider}");
    }
}

#[test]
fn git_gets_the_token_for_its_hosts_alone() {
    let (bench, _) = bench("git");
    let token = bench.run("token --show").out.trim().to_owned();
    // (arguments, git's request, the user name of the response, if there is one)
    let hosts = "--host example.com --host Git.example.org:8443 --host [::1]:8443 --host [::2]";
    let cases = [
        (
            "get",
            "protocol=https\nhost=example.com\n\n",
            Some("x-access-token"),
        ),
        (
            "get",
            "protocol=https\nhost=EXAMPLE.com:443\n",
            Some("x-access-token"),
        ),
        (
            "get",
            "host=git.example.org:8443\npath=a=b\nprotocol=https\n\n",
            Some("x-access-token"),
        ),
        (
            "get",
            "host=[::1]:8443\nprotocol=https\n\n",
            Some("x-access-token"),
        ),
        (
            "get",
            "host=[::2]\nprotocol=https\n\n",
            Some("x-access-token"),
        ),
        (
            "get --username oauth2",
            "protocol=https\nhost=example.com\nusername=oauth2\n\n",
            Some("oauth2"),
        ),
        (
            "get --username oauth2",
            "protocol=https\nhost=example.com\nusername=me\n\n",
            None,
        ),
        (
            "get",
            "username=me\nusername=x-access-token\nprotocol=https\nhost=example.com\n\n",
            None,
        ),
        (
            "get",
            "capability[]=authtype\nprotocol=https\nhost=example.com\nwwwauth[]=Basic realm=x\n\n",
            Some("x-access-token"),
        ),
        ("get", "protocol=https\nhost=git.example.org\n\n", None),
        (
            "get",
            "protocol=https\nhost=example.com.evil.example\n\n",
            None,
        ),
        (
            "get",
            "protocol=https\nhost=evil.example\npath=example.com\n\n",
            None,
        ),
        ("get", "protocol=https\nhost=\n\n", None),
        ("get", "protocol=http\nhost=example.com\n\n", None),
        ("get", "host=example.com\n\n", None),
        ("get", "protocol=https\n\nhost=example.com\n", None),
        ("get", "", None),
        // git and the helper could mean different hosts.
        (
            "get",
            "protocol=https\nhost=example.com\nhost=example.com\n\n",
            None,
        ),
        (
            "get",
            "protocol=https\nhost=evil.example\nhost=example.com\n\n",
            None,
        ),
        ("get", "protocol=https\nhost=\nhost=example.com\n\n", None),
        (
            "store",
            "protocol=https\nhost=example.com\npassword=x\n\n",
            None,
        ),
        ("erase", "protocol=https\nhost=example.com\n\n", None),
        ("capability", "", None),
    ];
    for (args, asked, username) in cases {
        assert_given(&bench, &token, &format!("{hosts} {args}"), asked, username);
    }
}

/// Runs the helper. With a user name, it has to give the token; without one, nothing, and the gateway is not asked.
fn assert_given(bench: &Bench, token: &str, args: &str, asked: &str, username: Option<&str>) {
    bench.gateway.forget_requests();
    let ran = bench.run_with(&format!("git-credential {args}"), asked.as_bytes());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args} {asked}");
    let Some(username) = username else {
        let given = (ran.out.as_str(), bench.gateway.count(""));
        assert_eq!(given, ("", 0), "{args} {asked}");
        return;
    };
    let lines: Vec<_> = ran.out.lines().collect();
    assert_eq!(
        lines[..2],
        [format!("username={username}"), format!("password={token}")]
    );
    let expiry = lines[2].strip_prefix("password_expiry_utc=").unwrap();
    assert!(expiry.parse::<u64>().unwrap() > now(), "{}", ran.out);
    assert_eq!(lines.len(), 3, "{}", ran.out);
}

#[test]
fn a_request_is_read_as_git_reads_it() {
    let (bench, _) = bench("git-lines");
    let token = bench.run("token --show").out.trim().to_owned();
    // (arguments, git's request, the user name of the response, if there is one)
    let cases = [
        // git takes lines that end with CRLF (`strbuf_getline`), and programs on Windows write them.
        (
            "get",
            "protocol=https\r\nhost=example.com\r\n\r\nhost=evil.example\r\n",
            Some("x-access-token"),
        ),
        (
            "get",
            "\u{feff}protocol=https\r\nhost=example.com\r\nusername=x-access-token\r",
            None,
        ),
        (
            "get",
            "\u{feff}protocol=https\r\nhost=example.com\r\nusername=x-access-token",
            Some("x-access-token"),
        ),
        // A carriage return elsewhere is part of the value (CVE-2024-52006).
        ("get", "protocol=https\nhost=example.com\r\r\n\n", None),
        (
            "get",
            "protocol=https\nhost=evil.example\rhost=example.com\n\n",
            None,
        ),
        // All attributes of git-credential(1), in git 2.48.
        (
            "get",
            "capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=example.com\npath=a/b.git\n\
             authtype=Bearer\ncredential=x\nephemeral=1\nstate[]=other.a=b\nwwwauth[]=\nwwwauth[]=Basic realm=\"a\"\n\
             continue=1\nquit=1\noauth_refresh_token=r\npassword_expiry_utc=1\nunknown=1\nno attribute\n\n",
            Some("x-access-token"),
        ),
        // From a URL such as `https://@example.com/`.
        (
            "get --username oauth2",
            "protocol=https\nhost=example.com\nusername=\n",
            Some("oauth2"),
        ),
    ];
    for (args, asked, username) in cases {
        let args = format!("--host example.com {args}");
        assert_given(&bench, &token, &args, asked, username);
    }
}

#[test]
fn input_beyond_64_kib_is_not_read() {
    let (bench, _) = bench("git-limit");
    let asked = format!(
        "protocol=https\npath={}\nhost=example.com\n\n",
        "a".repeat(1 << 16)
    );
    let ran = bench.run_with("git-credential --host example.com get", asked.as_bytes());
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
}

#[test]
fn git_hosts_are_read_as_people_copy_them() {
    let (bench, _) = bench("hosts");
    let token = bench.run("token --show").out;
    for host in [
        "https://example.com",
        "https://example.com/",
        "example.com/",
    ] {
        let asked = b"protocol=https\nhost=example.com\n\n";
        let ran = bench.run_with(&format!("git-credential --host {host} get"), asked);
        assert!(ran.out.contains(token.trim()), "{host}: {}", ran.err);
    }
    for host in [
        "http://example.com",
        "https://example.com/acme",
        "me@example.com",
        "example.com,example.org",
        "*.example.com",
        "example.com:https",
        "example.com:+443",
        "example.com:99999",
        "example.com:",
        ":443",
        "[::1]:https",
        "''",
        "https://",
    ] {
        let ran = bench.run(&format!("git-credential --host {host} get"));
        ran.assert_error(2, "such as github.com", host);
    }
    bench.assert_errors(&[
        ("git-credential get", 2, "--host <HOST>"),
        ("git-credential --host example.com", 2, "<OPERATION>"),
    ]);
}

#[test]
fn aws_tools_get_the_keys_of_a_connection() {
    let (bench, cloud) = bench("aws");
    let printed = bench.run(&format!("aws-credentials {cloud}"));
    assert_eq!(printed.err, "");
    let keys = json!({
        "Version": 1,
        "AccessKeyId": "AKIDEXAMPLE",
        "SecretAccessKey": "hunter2/+",
        "SessionToken": "s-1",
    });
    assert_eq!(printed.json("aws"), keys);
    bench.assert_errors(&[
        ("aws-credentials", 2, "<CONNECTION>"),
        (
            "aws-credentials {github}",
            1,
            "its strategy is oauth2, not aws_sigv4",
        ),
        (
            "aws-credentials {registry}",
            1,
            "its strategy is basic_auth, not aws_sigv4",
        ),
        (
            "aws-credentials 11111111-2222-3333-4444-555555555555",
            6,
            "run `nexus connect`",
        ),
    ]);
}

/// Responses of the gateway, and the expiry that AWS's tools get.
#[test]
fn aws_keys_are_trimmed_and_have_the_expiry_that_the_gateway_states() {
    let (bench, cloud) = bench("aws-expiry");
    let keys = json!({"access_key": "a", "secret_key": "s"});
    let mut expiring = keys.clone();
    expiring["expires_at"] = json!(4_000_000_000_u64);
    let mut partial = keys.clone();
    partial["secret_key"] = json!("");
    let padded = json!({"access_key": " a\r\n", "secret_key": "\ts\n", "session_token": " \n"});
    let mut broken = keys.clone();
    broken["session_token"] = json!("a\nb");
    let mut blank = keys.clone();
    blank["access_key"] = json!(" \n");
    let cases = [
        (keys, json!(null), ""),
        (expiring, json!("2096-10-02T07:06:40Z"), ""),
        (padded, json!(null), ""),
        (partial, json!(null), "have no secret_key"),
        (blank, json!(null), "have no access_key"),
        (
            broken,
            json!(null),
            "invalid_credentials: the connection's session_token has",
        ),
    ];
    for (credentials, expiration, problem) in cases {
        let response = json!({"strategy": {"type": "AWS_SigV4"}, "credentials": credentials});
        bench.reply("/v1/token", 200, &response);
        let ran = bench.run(&format!("aws-credentials {cloud}"));
        if problem.is_empty() {
            let printed = ran.json("aws");
            let keys = (&printed["AccessKeyId"], &printed["SecretAccessKey"]);
            assert_eq!(keys, (&json!("a"), &json!("s")));
            assert_eq!(
                printed.get("Expiration").unwrap_or(&Value::Null),
                &expiration
            );
            assert_eq!(printed.get("SessionToken"), None);
        } else {
            ran.assert_error(1, problem, "aws");
        }
    }
}
