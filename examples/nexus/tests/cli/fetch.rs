//! `nexus fetch`: the request that it sends, and the place of the response.

use std::fs;
#[cfg(target_os = "linux")]
use std::process::Stdio;
use std::time::Duration;

use nexus_sdk::serde_json::json;
use nexus_sdk::testing::Fault;

use crate::{Bench, finish, spawn};

#[test]
fn data_comes_from_an_argument_a_file_or_stdin() {
    let bench = Bench::new("data");
    fs::write(bench.file("data"), b"of a\nfile\n\0").unwrap();
    let cases: &[(&str, &str, &[u8])] = &[
        ("-d text", "POST", b"text"),
        ("-d ''", "POST", b""),
        ("-d @{dir}/data", "POST", b"of a\nfile\n\0"),
        ("-d @-", "POST", b"of stdin\xff"),
        ("-d @- -X put", "PUT", b"of stdin\xff"),
        ("-X DELETE", "DELETE", b""),
        ("", "GET", b""),
    ];
    for (args, method, body) in cases {
        bench.gateway.forget_requests();
        let headers = "-H 'X-One: 1' -HX-Two:2 {url}/sink";
        let args = format!("fetch {args} {headers}");
        let ran = bench.run_with(&args, b"of stdin\xff");
        assert_eq!(ran.code, 0, "{args}: {}", ran.err);
        let requests = bench.gateway.requests();
        let sent = requests.last().unwrap();
        assert_eq!(
            (sent.method.as_str(), &*sent.body),
            (*method, *body),
            "{args}"
        );
        assert_eq!(
            (&sent.headers["x-one"], &sent.headers["x-two"]),
            (&"1".parse().unwrap(), &"2".parse().unwrap())
        );
    }
}

#[test]
fn what_cannot_be_sent_is_one_line_and_an_exit_code() {
    let bench = Bench::new("unsendable");
    bench.assert_errors(&[
        ("fetch", 2, "<URL>"),
        ("fetch http://192.0.2.1/", 2, "--allow-insecure-http"),
        ("fetch http://127.0.0.1:1/", 1, "connection refused"),
        ("fetch {url}/user -X 'A B'", 2, "not an HTTP method"),
        ("fetch {url}/user -H Accept", 2, "write it as 'Name: value'"),
        ("fetch {url}/user -H 'a: b\nc'", 2, "line break"),
        ("fetch {url}/user -d @{dir}/missing", 1, "cannot read"),
        ("fetch {url}/user -da -db", 2, "--data <DATA>"),
        ("fetch {url}/user -o {dir}/missing/file", 1, "cannot write"),
        (
            "fetch {url}/user --timeout soon",
            2,
            "give a number of seconds",
        ),
        (
            "fetch {url}/user --timeout -1",
            2,
            "give a number of seconds",
        ),
    ]);
}

#[test]
fn include_puts_status_and_headers_before_the_body() {
    let bench = Bench::new("include");
    let ran = bench.run("fetch -i {url}/user");
    let (head, body) = ran.out.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/json"),
        "{head}"
    );
    assert_eq!(body, r#"{"login":"acme","provider":"github"}"#);
}

#[test]
fn verbose_shows_the_request_and_the_response_without_secrets() {
    let bench = Bench::new("verbose");
    let token = bench.run("token --show").out.trim().to_owned();
    fs::write(bench.file("headers"), "X-File: hunter2\n").unwrap();
    let url = bench.gateway.url().to_owned();
    let args =
        "fetch -v -d @- -H 'X-One: 1' -HX-Api-Key:hunter2 -H @{dir}/headers {url}/user/repos?a=b";
    let ran = bench.run_with(args, b"{\"name\": \"demo\"}");
    assert_eq!(ran.code, 0, "{}", ran.err);
    // The result is as without the option.
    assert!(ran.out.starts_with("{\"full_name\""), "{}", ran.out);
    let lines: Vec<_> = ran.err.lines().collect();
    let request = [
        &*format!("> POST {url}/user/repos?a=b"),
        "> Authorization: (hidden)",
        "> X-One: 1",
        "> X-Api-Key: (hidden)",
        "> X-File: (hidden)",
        "> (16 bytes of data)",
        "< HTTP/1.1 201 Created",
    ];
    assert_eq!(lines[..7], request, "{}", ran.err);
    assert!(lines[7..].iter().all(|line| line.starts_with("< ")));
    assert!(lines.contains(&"< content-type: application/json"));

    // A path, a status that is an error, and no other line before the error.
    let ran = bench.run("fetch -v --fail /nowhere -p weather");
    assert_eq!(ran.code, 4, "{}", ran.err);
    let start = format!("> GET {url}/nowhere\n> X-API-Key: (hidden)\n< HTTP/1.1 404 Not Found\n");
    assert!(ran.err.starts_with(&start), "{}", ran.err);
    assert!(
        ran.err
            .ends_with("\nnexus: the API responded with 404 Not Found\n")
    );

    // A failure shows the request that was sent.
    let ran = bench.run("fetch -v http://me:hunter2@127.0.0.1:1/@a");
    assert!(
        ran.err
            .starts_with("> GET http://(hidden)@127.0.0.1:1/@a\n"),
        "{}",
        ran.err
    );
    for part in [&*token, "hunter2"] {
        assert!(!ran.err.contains(part), "{part}: {}", ran.err);
    }
}

/// An API may repeat the credential, as it is or escaped.
#[test]
fn verbose_hides_a_credential_that_the_response_repeats() {
    let bench = Bench::new("repeated");
    let (secret, escaped) = ("k+1/2=hunter", "k%2B1%2F2%3Dhunter");
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        use std::io::{BufRead as _, BufReader, Write as _};
        let (mut stream, _) = server.accept().unwrap();
        let head = BufReader::new(stream.try_clone().unwrap()).lines();
        let lines = head.map(Result::unwrap).take_while(|line| !line.is_empty());
        let lines: Vec<_> = lines.collect();
        let response = format!(
            "HTTP/1.1 302 Found\r\nX-Seen: {secret}\r\nLocation: /?key={escaped}\r\nSet-Cookie: id=5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(response.as_bytes()).unwrap();
        lines
    });
    bench.reply(
        "/v1/resolve",
        200,
        &json!({"access_token": secret, "token_type": "Bearer", "expires_in": 3600}),
    );
    let ran = bench.run(&format!("fetch -v --no-redirect http://{address}/"));
    let sent = thread.join().unwrap();
    assert!(
        sent.iter()
            .any(|line| line.ends_with(&format!("Bearer {secret}"))),
        "{sent:?}"
    );
    for line in [
        "< x-seen: (hidden)\n",
        "< location: /?key=(hidden)\n",
        "< set-cookie: (hidden)\n",
    ] {
        assert!(ran.err.contains(line), "{line}: {}", ran.err);
    }
    assert!(!ran.err.contains("hunter"), "{}", ran.err);
}

#[test]
fn output_replaces_a_file_only_by_a_response() {
    let bench = Bench::new("output");
    let (kept, new) = (bench.file("kept"), bench.file("new"));
    let old = "old and longer than what comes, by far and away";
    fs::write(&kept, old).unwrap();
    for (args, code, part) in [
        ("http://127.0.0.1:1/", 1, "refused"),
        ("{url}/user --fail", 5, "responded with 500"),
        ("{url}/user", 5, "responded with 500"),
        ("{url}/user -i", 5, "responded with 500"),
    ] {
        for name in ["kept", "new"] {
            let fault = Fault::reply(500, "text/plain", "the body");
            bench.gateway.fail_next_at("/user", 1, fault);
            let ran = bench.run(&format!("fetch {args} -o {{dir}}/{name}"));
            ran.assert_error(code, part, name);
        }
    }
    bench.gateway.forget_faults();
    assert_eq!(fs::read_to_string(&kept).unwrap(), old);
    assert!(!new.exists());

    for (name, path) in [("{dir}/kept", &kept), ("{dir}/new", &new)] {
        let ran = bench.run(&format!("fetch {{url}}/user --fail -o {name}"));
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
        let written = fs::read_to_string(path).unwrap();
        assert_eq!(written, r#"{"login":"acme","provider":"github"}"#);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&new).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only the user can read a new file");
    }
    assert!(bench.run("fetch {url}/user -o -").out.contains("acme"));
    bench.run("fetch -i {url}/user -o {dir}/new");
    let with_head = fs::read_to_string(&new).unwrap();
    assert!(with_head.starts_with("HTTP/1.1 200 OK\r\n") && with_head.ends_with('}'));
    let names = fs::read_dir(new.parent().unwrap()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(
        names.into_iter().all(|name| !name.contains(".part")),
        "temporary files are gone"
    );
}

/// A build script reads the file that a link points to, with the mode that somebody has given it.
#[cfg(unix)]
#[test]
fn output_keeps_links_and_modes() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let bench = Bench::new("links");
    let (file, link) = (bench.file("file"), bench.file("link"));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&file, &link).unwrap();
    let ran = bench.run("fetch {url}/user -o {dir}/link");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&file).unwrap().contains("acme"));
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o640
    );

    symlink("created", bench.file("dangling")).unwrap();
    let ran = bench.run("fetch {url}/user -o {dir}/dangling");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    let created = fs::symlink_metadata(bench.file("created")).unwrap();
    assert!(created.is_file() && bench.file("dangling").is_symlink());
}

/// The limit for bodies in memory does not apply, and a response that breaks off leaves the file alone.
#[test]
fn output_may_be_larger_than_memory() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let bench = Bench::new("large");
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", server.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        for length in [101 << 20, 102 << 20] {
            let (mut stream, _) = server.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            for _ in 0..101 {
                stream.write_all(&vec![b'x'; 1 << 20]).unwrap();
            }
        }
    });
    for (code, part) in [(0, ""), (1, "closed the connection early")] {
        let ran = bench.run(&format!("fetch {url} -o {{dir}}/file"));
        assert_eq!(ran.code, code, "{}", ran.err);
        assert!(ran.err.contains(part), "{}", ran.err);
        assert_eq!(fs::metadata(bench.file("file")).unwrap().len(), 101 << 20);
    }
    serving.join().unwrap();
}

#[test]
fn a_path_is_appended_to_the_providers_base_url() {
    let bench = Bench::new("path");
    for args in [
        "fetch /user",
        "fetch user",
        "fetch /user --base-url {url}",
        "fetch {url}/user --base-url {url}",
    ] {
        let ran = bench.run(args);
        assert_eq!(ran.code, 0, "{args}: {}", ran.err);
        assert!(ran.out.contains("acme"), "{args}: {}", ran.out);
    }
    bench.assert_errors(&[
        (
            "fetch https://evil.example/ --base-url {url}",
            1,
            "host_not_allowed",
        ),
        ("fetch /user --base-url nowhere", 2, "base_url"),
    ]);
    bench.reply("/v1/providers", 200, &json!({}));
    let ran = bench.run("fetch /user");
    ran.assert_error(2, "give --base-url or an absolute URL", "no base");
}

/// Other users can read every command line.
#[test]
fn headers_may_come_from_a_file() {
    let bench = Bench::new("header-file");
    fs::write(
        bench.file("headers"),
        "\u{feff}X-One: 1\n\r\nX-Two: secret\r\n",
    )
    .unwrap();
    bench.gateway.forget_requests();
    let ran = bench.run("fetch {url}/user -H @{dir}/headers -H X-Three:3");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let requests = bench.gateway.requests();
    let sent = &requests
        .iter()
        .find(|request| request.path == "/user")
        .unwrap()
        .headers;
    let names = ["x-one", "x-two", "x-three"];
    assert_eq!(
        names.map(|name| sent[name].to_str().unwrap().to_owned()),
        ["1", "secret", "3"]
    );
    let missing = bench.run("fetch {url}/user -H @{dir}/missing");
    missing.assert_error(1, "cannot read", "missing");
    // The header's value would change. An argument that is not UTF-8 has the same exit code.
    bench.gateway.forget_requests();
    let bytes = b"X-One: 1\nX-Two: caf\xe9\n";
    fs::write(bench.file("headers"), bytes).unwrap();
    for argument in ["@{dir}/headers", "@-"] {
        let ran = bench.run_with(&format!("fetch {{url}}/user -H {argument}"), bytes);
        ran.assert_error(2, ": line 2 is not UTF-8", argument);
    }
    assert_eq!(bench.gateway.requests().len(), 0);
}

#[test]
fn the_timeout_includes_the_call_for_the_token() {
    let bench = Bench::new("fetch-timeout");
    for path in ["/v1/resolve", "/user"] {
        bench
            .gateway
            .fail_next_at(path, 1, Fault::Delay(Duration::from_millis(700)));
    }
    let ran = bench.run("fetch {url}/user --timeout 1");
    ran.assert_error(7, "timed out", "two delays");
}

#[test]
fn fail_exits_with_the_class_of_the_status() {
    let bench = Bench::new("fail");
    let cases = [
        (204, 0),
        (304, 3),
        (404, 4),
        (499, 4),
        (500, 5),
        (503, 5),
        (700, 1),
    ];
    for (status, code) in cases {
        let fault = Fault::reply(status, "text/plain", "the body");
        bench.gateway.fail_next_at("/user", 3, fault);
        let plain = bench.run("fetch --no-redirect {url}/user");
        assert_eq!((plain.code, plain.err.as_str()), (0, ""), "{status}");
        let failing = bench.run("fetch --no-redirect --fail {url}/user");
        assert_eq!(failing.out, plain.out, "the body is printed all the same");
        let dash = bench.run("fetch --no-redirect --fail -o - {url}/user");
        assert_eq!((dash.code, dash.out), (code, plain.out), "{status}");
        if code == 0 {
            assert_eq!((failing.code, failing.err.as_str()), (0, ""), "{status}");
        } else {
            failing.assert_error(code, &format!("responded with {status}"), "--fail");
        }
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let bench = Bench::new("closed");
    let body = "a line of text\n".repeat(100_000);
    for (status, code) in [(200, 0), (404, 4)] {
        bench
            .gateway
            .fail_next_at("/user", 1, Fault::reply(status, "text/plain", body.clone()));
        let mut child = spawn(&mut bench.command("fetch --fail {url}/user"));
        drop(child.stdout.take());
        let ran = finish(child, b"");
        assert_eq!(ran.code, code, "{}", ran.err);
        assert!(
            !ran.err.contains("panic") && ran.err.lines().count() <= 1,
            "{}",
            ran.err
        );
    }
    for args in ["--help", "token", "env --json"] {
        let mut child = spawn(&mut bench.command(args));
        drop(child.stdout.take());
        let ran = finish(child, b"");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let bench = Bench::new("full");
    let ran = bench.run("fetch {url}/user -o /dev/full");
    ran.assert_error(1, "/dev/full", "-o");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let child = bench
        .command("fetch {url}/user")
        .stdout(full)
        .stderr(Stdio::piped())
        .stdin(Stdio::piped())
        .spawn();
    finish(child.unwrap(), b"").assert_error(1, "cannot write to stdout", "stdout");
}
