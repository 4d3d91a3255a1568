//! `nexus` at a terminal: the browser that it opens, and its prompts.

use std::fs;
use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use nexus_sdk::serde_json::json;
use nexus_sdk::testing::Fault;
use nexus_sdk::ureq;

use crate::signals::signal;
use crate::{Bench, copy_environment, until, words};

/// The program at a terminal of its own, made by `script` of util-linux.
struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: BufReader<ChildStdout>,
    /// The output so far.
    seen: String,
    directory: PathBuf,
}

impl Terminal {
    /// `browser`: whether the system has a command that opens a browser.
    fn start(bench: &Bench, args: &str, browser: bool) -> Self {
        let home = bench.file("home");
        fs::create_dir_all(&home).unwrap();
        Self::at_home(bench, args, browser, &home)
    }

    fn at_home(bench: &Bench, args: &str, browser: bool, home: &Path) -> Self {
        let args = format!("connect --interval 0.02 {args}");
        Self::of_command(bench, &args, browser, home)
    }

    fn of_command(bench: &Bench, args: &str, browser: bool, home: &Path) -> Self {
        let directory = bench.file("terminal");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        if browser {
            let opener = directory.join("xdg-open");
            let script = format!(
                "#!/bin/sh\n/bin/cp -p \"$1\" {0}/page\necho \"$1\" >{0}/new\n/bin/mv {0}/new {0}/opened\n",
                directory.display()
            );
            fs::write(&opener, script).unwrap();
            fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let program = bench.command(args);
        let arguments = words(&bench.filled(args)).join(" ");
        // The program finds no other commands.
        symlink("/bin/stty", directory.join("stty")).unwrap();
        let line = format!(
            "cd '{}'; /usr/bin/tty >tty; \
             /bin/sh -c 'echo $$ >pid; exec \"$0\" \"$@\"' '{}' {arguments} >stdout; \
             code=$?; /bin/stty -a >after; exit $code",
            directory.display(),
            program.get_program().to_str().unwrap(),
        );
        let mut script = Command::new("/usr/bin/script");
        script.args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &line,
            "/dev/null",
        ]);
        copy_environment(&program, &mut script);
        let mut child = script
            .env("PATH", &directory)
            .env("SHELL", "/bin/sh")
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            keyboard: child.stdin.take().unwrap(),
            screen: BufReader::new(child.stdout.take().unwrap()),
            child,
            seen: String::new(),
            directory,
        }
    }

    /// Waits until the text is on the screen.
    fn expect(&mut self, text: &str) {
        let mut new = String::new();
        while !new.contains(text) {
            let mut byte = [0];
            let count = self.screen.read(&mut byte).unwrap_or(0);
            assert_eq!(count, 1, "{text:?} did not come: {}{new}", self.seen);
            new.push(char::from(byte[0]));
        }
        self.seen.push_str(&new);
    }

    fn enter(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
    }

    /// Enters a line once the echo is off; before, a typed secret would show.
    fn enter_secret(&mut self, line: &str) {
        self.hides();
        self.enter(line);
    }

    /// Waits until the echo is off.
    fn hides(&self) {
        let tty = self.file("tty");
        until("the echo is off", || {
            let mut stty = Command::new("stty");
            let output = stty.args(["-a", "-F", tty.trim()]).output().unwrap();
            String::from_utf8_lossy(&output.stdout)
                .contains(" -echo ")
                .then_some(())
        });
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap()
    }

    /// Waits for the browser, and returns the argument that it got.
    fn opened(&self) -> String {
        let path = self.directory.join("opened");
        let url = until("a browser", || fs::read_to_string(&path).ok());
        url.trim().to_owned()
    }

    /// Waits for the end, and returns the exit code, stdout and the screen.
    fn end(mut self) -> (i32, String, String) {
        let mut rest = Vec::new();
        // Reading fails once the program has ended.
        let _ = self.screen.read_to_end(&mut rest);
        self.seen.push_str(&String::from_utf8_lossy(&rest));
        let code = self.child.wait().unwrap().code().unwrap();
        let out = fs::read_to_string(self.directory.join("stdout")).unwrap();
        (code, out, self.seen)
    }
}

/// Consents. The browser's return can fail: the program may have seen the consent and have ended.
fn browse(url: &str) {
    let _ = ureq::get(url).call();
}

#[test]
fn the_browser_opens_at_the_consent() {
    let bench = Bench::new("browser");
    let mut terminal = Terminal::start(&bench, "--scope repo", true);
    terminal.expect("to consent, open http://");
    let (_, url) = redirect(&terminal);
    assert!(url.starts_with(bench.gateway.url()), "{url}");
    browse(&url);
    let (code, out, seen) = terminal.end();
    assert_eq!(code, 0, "{seen}");
    assert_eq!(bench.run(&format!("status {}", out.trim())).out, "active\n");
}

#[test]
fn no_browser_opens_none() {
    let bench = Bench::new("no-browser");
    let mut terminal = Terminal::start(&bench, "--no-browser", true);
    terminal.expect("to consent, open ");
    terminal.expect("\n");
    let url = terminal
        .seen
        .lines()
        .next()
        .unwrap()
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    browse(&url);
    let directory = terminal.directory.clone();
    let (code, _, seen) = terminal.end();
    assert_eq!(code, 0, "{seen}");
    assert!(!directory.join("opened").exists());
}

/// Returns the file that the browser was sent to, and the address in it.
fn redirect(terminal: &Terminal) -> (PathBuf, String) {
    let file = PathBuf::from(terminal.opened());
    // The opener's copy, because the file is removed when the program ends.
    let copy = terminal.directory.join("page");
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let html = fs::read_to_string(copy).unwrap();
    let (_, rest) = html.split_once("content=\"0; url=").unwrap();
    let (page, _) = rest.split_once('"').unwrap();
    assert!(html.contains(&format!("<a href=\"{page}\">")), "{html}");
    (file, page.to_owned())
}

#[test]
fn only_web_pages_of_the_gateway_are_opened() {
    let bench = Bench::new("addresses");
    let pending = bench.run("connect --no-wait");
    let id = pending.out.trim();
    for (url, opened) in [
        (
            "https://a.example/?b=c&d=\"><script>;url='",
            Some("https://a.example/?b=c&amp;d=&quot;><script>;url='"),
        ),
        ("HTTPS://a.example/", Some("HTTPS://a.example/")),
        ("file:///etc/passwd", None),
    ] {
        let body = json!({"connection_id": id, "auth_url": url});
        bench.reply("/v1/request-connection", 200, &body);
        let mut terminal = Terminal::start(&bench, "", true);
        let Some(opened) = opened else {
            terminal.expect("the gateway's response has an auth_url that is not an http");
            let page = terminal.directory.join("page");
            let (code, _, seen) = terminal.end();
            assert_eq!((code, page.exists()), (1, false), "{url}: {seen}");
            continue;
        };
        terminal.expect("waiting for consent ");
        assert_eq!(redirect(&terminal).1, opened);
        terminal.keyboard.write_all(b"\x03").unwrap();
        let (code, _, seen) = terminal.end();
        assert_eq!(code, 130, "{url}: {seen}");
    }
}

/// Other users can read every command line, and sandboxed browsers can read few folders.
#[test]
fn a_file_of_the_users_own_leads_the_browser_to_the_page() {
    let bench = Bench::new("redirect");
    let home = bench.file("home");
    let downloads = home.join("Downloads");
    for folder in [&home, &downloads] {
        fs::create_dir_all(folder).unwrap();
        for key in [None, Some("\x03")] {
            let mut terminal = Terminal::start(&bench, "-p weather", true);
            terminal.expect("to enter the credential, open http://127.0.0.1:");
            let (file, page) = redirect(&terminal);
            assert!(file.exists(), "{}", file.display());
            assert!(!page.starts_with(bench.gateway.url()), "{page}");
            assert_eq!(file.parent(), Some(folder.as_path()));
            assert!(!file.to_str().unwrap().contains("/."), "{}", file.display());
            let code = if let Some(key) = key {
                terminal.keyboard.write_all(key.as_bytes()).unwrap();
                130
            } else {
                ureq::post(&page)
                    .send_form([("api_key", "k-of-the-page")])
                    .unwrap();
                0
            };
            let (ended, out, seen) = terminal.end();
            assert_eq!(ended, code, "{seen}");
            assert!(!file.exists(), "{}", file.display());
            if code == 0 {
                let held = bench.run(&format!("token --show {}", out.trim()));
                assert_eq!(held.out, "k-of-the-page\n");
            }
        }
    }
}

#[test]
fn without_a_folder_for_the_file_the_credential_is_asked_for() {
    let bench = Bench::new("homeless");
    for home in ["/dev/null/home", "", "relative"] {
        let mut terminal = Terminal::at_home(&bench, "-p weather", true, Path::new(home));
        terminal.expect("api_key: ");
        terminal.enter_secret("hunter2");
        let (code, _, seen) = terminal.end();
        assert_eq!(code, 0, "{home:?}: {seen}");
    }
}

/// Runs the program with a terminal as its stdout, and returns what it prints.
fn on_screen(bench: &Bench, args: &str) -> String {
    let program = bench.command("");
    let path = program.get_program().to_str().unwrap();
    let line = format!("'{path}' {}", bench.filled(args));
    let mut script = Command::new("/usr/bin/script");
    script.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    copy_environment(&program, &mut script);
    let output = script.stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_terminal_gets_control_characters_escaped_and_a_pipe_gets_them_unchanged() {
    let bench = Bench::new("escaped");
    // (what the gateway or the API sends, what the terminal shows)
    let cases = [
        ("a\u{1b}]52;c;YQ==\u{7}b", "a\\u001b]52;c;YQ==\\u0007b"),
        ("a\u{9b}2J\u{7f}\u{0}", "a\\u009b2J\\u007f\\u0000"),
        ("a\u{202e}b\u{2066}c\u{61c}", "a\\u202eb\\u2066c\\u061c"),
        ("a\rb\r\nc\td", "a\\u000db\r\nc\td"),
        ("é 東 👍", "é 東 👍"),
    ];
    for (sent, shown) in cases {
        let token = json!({ "access_token": sent }).to_string();
        for (args, path, body) in [
            ("token --show {github}", "/v1/token", &*token),
            ("refresh --show {github}", "/v1/refresh", &token),
            ("fetch {url}/user", "/user", sent),
        ] {
            let reply = Fault::reply(200, "text/plain", body);
            bench.gateway.fail_next_at(path, 2, reply);
            let seen = on_screen(&bench, args);
            assert_eq!(seen, format!("{shown}\r\n"), "{args} {sent:?}");
            let piped = bench.run(args).out;
            assert_eq!(piped.trim_end_matches('\n'), sent, "{args} {sent:?}");
        }
    }
    // The first bytes of an image are no UTF-8.
    let image = Fault::reply(200, "image/png", b"\x89PNG\r\n\x1a\n".to_vec());
    bench.gateway.fail_next_at("/user", 1, image);
    let seen = on_screen(&bench, "fetch {url}/user");
    assert_eq!(seen, "\u{fffd}PNG\r\n\\u001a\r\n");
}

#[test]
fn a_body_without_a_line_break_ends_with_one_on_a_terminal() {
    let bench = Bench::new("newline");
    for (body, shown) in [
        ("a", "a\r\n"),
        ("a\n", "a\r\n"),
        ("", ""),
        ("a\n\n", "a\r\n\r\n"),
    ] {
        let reply = || Fault::reply(200, "text/plain", body);
        bench.gateway.fail_next_at("/user", 2, reply());
        let seen = on_screen(&bench, "fetch {url}/user");
        assert_eq!(seen, shown, "{body:?}");
        // Elsewhere the body is unchanged.
        assert_eq!(bench.run("fetch {url}/user").out, body);
    }
}

#[test]
fn without_a_browser_the_credential_is_asked_for() {
    let bench = Bench::new("asked");
    for args in ["-p registry --no-browser", "-p registry"] {
        let mut terminal = Terminal::start(&bench, args, args.contains("--no-browser"));
        terminal.expect("username: ");
        terminal.enter("me");
        terminal.expect("password: ");
        terminal.enter_secret("hunter2");
        let (code, out, seen) = terminal.end();
        assert_eq!(code, 0, "{args}: {seen}");
        assert!(seen.contains("me") && !seen.contains("hunter"), "{seen}");
        let held = bench
            .run(&format!("token --show --json {}", out.trim()))
            .json(args);
        assert_eq!(
            held["credentials"],
            json!({"username": "me", "password": "hunter2"})
        );
    }
}

#[test]
fn a_signal_at_the_prompt_for_a_secret_leaves_the_terminal_as_it_was() {
    let bench = Bench::new("prompt");
    // (key or signal, exit code)
    for (how, code) in [("\x03", 130), ("-INT", 130), ("-TERM", 143)] {
        let mut terminal = Terminal::start(&bench, "-p weather --no-browser", false);
        terminal.expect("api_key: ");
        terminal.hides();
        if let Some(name) = how.strip_prefix('-') {
            signal(terminal.file("pid").trim(), name);
        } else {
            terminal.keyboard.write_all(how.as_bytes()).unwrap();
        }
        let (ended, seen) = end_unchanged(terminal);
        assert_eq!(ended, code, "{how:?}: {seen}");
        assert!(!seen.contains("cannot read"), "{how:?}: {seen}");
    }
}

/// The signal comes before, while and after the echo is turned off. Signals before the program watches for them end it.
#[test]
fn a_signal_at_any_moment_leaves_the_terminal_as_it_was() {
    let bench = Bench::new("any-moment");
    for delay in 0..20 {
        let terminal = Terminal::start(&bench, "-p weather --no-browser", false);
        let path = terminal.directory.join("pid");
        // The last signal that the program watches, in the mask of proc(5).
        let sigtstp = 1_u64 << 19;
        let pid = until("it watches for signals", || {
            let pid = fs::read_to_string(&path).ok()?;
            let status = fs::read_to_string(format!("/proc/{}/status", pid.trim())).ok()?;
            let caught = status.lines().find_map(|it| it.strip_prefix("SigCgt:"))?;
            let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
            (caught & sigtstp != 0).then_some(pid)
        });
        thread::sleep(Duration::from_millis(2 * delay));
        signal(pid.trim(), "TERM");
        let (ended, seen) = end_unchanged(terminal);
        assert_eq!(ended, 143, "{delay}: {seen}");
    }
}

/// Waits for the end, and returns the exit code and the screen. Fails if the terminal has other settings than before.
fn end_unchanged(terminal: Terminal) -> (i32, String) {
    let after = terminal.directory.join("after");
    let (code, _, seen) = terminal.end();
    let after = fs::read_to_string(after).unwrap();
    for set in ["echo", "icanon", "isig"] {
        let is_set = after.split_whitespace().any(|word| word == set);
        assert!(is_set, "{set}: {after}");
    }
    (code, seen)
}

#[test]
fn a_terminal_is_asked_before_a_connection_is_revoked() {
    let bench = Bench::new("confirm");
    for (args, answer, code) in [
        ("", "n", 1),
        ("", "", 1),
        ("", "\x04", 1),
        ("", "\x03", 130),
        ("", "y", 0),
        ("", " YES ", 0),
        ("--yes", "", 0),
    ] {
        let id = bench.gateway.connect("acme", "github").unwrap();
        bench.gateway.forget_requests();
        let command = format!("revoke {args} {id}");
        let home = bench.file("");
        let mut terminal = Terminal::of_command(&bench, &command, false, &home);
        if args.is_empty() {
            terminal.expect(&format!("revoke connection {id}? "));
            terminal.expect("[y/N] ");
            if answer.starts_with(char::is_control) {
                terminal.keyboard.write_all(answer.as_bytes()).unwrap();
            } else {
                terminal.enter(answer);
            }
        }
        let (ended, out, seen) = terminal.end();
        assert_eq!(ended, code, "{answer:?}: {seen}");
        assert_eq!(out.contains("revoked"), code == 0, "{answer:?}: {out}");
        assert_eq!(seen.contains("nothing was revoked"), code == 1, "{seen}");
        let sent = bench.gateway.count("/v1/connections");
        assert_eq!(sent, usize::from(code == 0), "{answer:?}");
    }
}
