//! The `build_script` example, and the short one in its README, built and run against a gateway in this process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failing test panics"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use nexus_sdk::serde_json::{self, Value};
use nexus_sdk::testing::{DevGateway, Fault};

const KEY: &str = "a-key-that-no-file-holds";
/// The path at the API behind the gateway, and the file there.
const FILE: &str = "/repository.json";
const SCHEMA: &str = r#"{ "title": "Repository", "type": "object" }"#;

const SETTINGS: [&str; 6] = [
    "NEXUS_GATEWAY_URL",
    "NEXUS_API_KEY",
    "NEXUS_LOG",
    "WORKSPACE_ID",
    "PROVIDER",
    "SCHEMA_URL",
];

type Settings = Vec<(&'static str, String)>;

/// Returns a target directory of the test's own. Otherwise it would wait for the Cargo that runs the test. It is kept from
/// run to run, because the dependencies take long to compile.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("example")
}

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn build(settings: &[(&str, String)]) -> Built {
    build_in(&example(), settings)
}

fn build_in(folder: &Path, settings: &[(&str, String)]) -> Built {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--color=never"]);
    cargo.arg("--target-dir").arg(target()).current_dir(folder);
    for name in SETTINGS {
        cargo.env_remove(name);
    }
    cargo.env("NEXUS_LOCK_DIR", target().join("locks"));
    let output = cargo.envs(settings.iter().cloned()).output().unwrap();
    Built {
        succeeded: output.status.success(),
        log: String::from_utf8(output.stderr).unwrap(),
    }
}

struct Built {
    succeeded: bool,
    /// Cargo's output.
    log: String,
}

impl Built {
    /// The lines of this kind that the build script has caused, if the build has this outcome.
    fn lines(&self, succeeded: bool, kind: &str) -> Vec<&str> {
        assert_eq!(self.succeeded, succeeded, "{}", self.log);
        let start = format!("{kind}: build_script@");
        let lines = self.log.lines();
        lines.filter(|line| line.starts_with(&start)).collect()
    }

    fn warnings(&self) -> Vec<&str> {
        self.lines(true, "warning")
    }

    /// The only error of a build that has no warnings.
    fn error(&self) -> &str {
        assert_eq!(self.lines(false, "warning"), [""; 0], "{}", self.log);
        let [error] = self.lines(false, "error").try_into().unwrap();
        error
    }
}

/// Runs the program and returns its schema.
fn schema() -> Value {
    printed_by("build_script")
}

fn printed_by(program: &str) -> Value {
    let program = format!("debug/{program}{}", std::env::consts::EXE_SUFFIX);
    let output = Command::new(target().join(program)).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn committed() -> Value {
    let copy = fs::read(example().join("schema.json")).unwrap();
    serde_json::from_slice(&copy).unwrap()
}

/// Returns when the newest generated file was written. Earlier runs may have left files.
fn generated_at() -> SystemTime {
    let scripts = fs::read_dir(target().join("debug/build")).unwrap();
    let files = scripts.map(|script| script.unwrap().path().join("out/schema.rs"));
    let times = files.filter_map(|file| fs::metadata(file).and_then(|it| it.modified()).ok());
    times.max().unwrap()
}

fn configured(gateway: &DevGateway) -> Settings {
    vec![
        ("NEXUS_GATEWAY_URL", gateway.url().to_owned()),
        ("NEXUS_API_KEY", KEY.to_owned()),
        ("WORKSPACE_ID", "acme".to_owned()),
        ("PROVIDER", "github".to_owned()),
        ("SCHEMA_URL", format!("{}{FILE}", gateway.url())),
    ]
}

/// Changes one setting, or removes it if `value` is empty.
fn with(settings: &Settings, name: &str, value: &str) -> Settings {
    let mut changed = settings.clone();
    changed.retain_mut(|(known, old)| {
        if *known == name {
            value.clone_into(old);
        }
        !old.is_empty()
    });
    changed
}

// One test, because the steps share a target directory and build on each other.
#[test]
#[ignore = "builds a crate a dozen times: .ci/run does"]
fn builds_as_it_is_configured() {
    let gateway = DevGateway::builder()
        .api_key(KEY)
        .connection("acme", "github")
        .upstream(FILE, "application/schema+json", SCHEMA)
        .start()
        .unwrap();
    let settings = configured(&gateway);
    falls_back(&Settings::new(), "NEXUS_GATEWAY_URL is not set");
    generates(&gateway, &settings);
    builds_only_when_it_must(&gateway, &settings);
    falls_back_offline(&gateway, &settings);
    refuses_what_is_wrong(&gateway, &settings);
    builds_the_short_one(&gateway, &settings);
    refuses_a_broken_copy();
    keeps_the_key_out_of_the_target_directory(&gateway);
    takes_turns();
}

/// Creates a crate with the example's manifest and the workspace's lock file, and returns its folder. The crate has a name of
/// its own, because Cargo would take a crate of the same name in the same target directory for the example.
fn crate_like_the_example(name: &str) -> PathBuf {
    let folder = target().join(name);
    fs::create_dir_all(folder.join("src")).unwrap();
    let root = example().join("../..");
    let manifest = fs::read_to_string(example().join("Cargo.toml")).unwrap();
    let manifest = manifest.replace("\"build_script\"", &format!("{name:?}"));
    let manifest = manifest.replace("\"../..\"", &format!("{root:?}"));
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder
}

/// The `build.rs` of the README, in a crate of its own.
fn builds_the_short_one(gateway: &DevGateway, settings: &Settings) {
    let readme = include_str!("../README.md");
    let code = readme.split("```rust\n").nth(1).unwrap();
    let (code, _) = code.split_once("```\n").unwrap();
    assert!(code.lines().count() <= 20);
    let folder = crate_like_the_example("short_script");
    let program =
        r#"fn main() { print!("{}", include_str!(concat!(env!("OUT_DIR"), "/schema.json"))) }"#;
    fs::write(folder.join("build.rs"), code).unwrap();
    fs::write(folder.join("src/main.rs"), program).unwrap();

    gateway.forget_requests();
    let built = build_in(&folder, settings);
    assert!(built.succeeded, "{}", built.log);
    assert_eq!(printed_by("short_script"), generated());
    assert_eq!(gateway.count(FILE), 1);
    fs::write(folder.join("build.rs"), format!("{code}\n")).unwrap();
    let missing = format!("{}/missing", gateway.url());
    let built = build_in(&folder, &with(settings, "SCHEMA_URL", &missing));
    assert!(!built.succeeded && built.log.contains("SCHEMA_URL responded with 404"));
}

fn refuses_a_broken_copy() {
    let folder = crate_like_the_example("broken_copy");
    for file in ["build.rs", "src/main.rs"] {
        fs::copy(example().join(file), folder.join(file)).unwrap();
    }
    fs::write(folder.join("schema.json"), "[]").unwrap();
    let built = build_in(&folder, &[]);
    let problem = "schema.json is not a JSON object; restore it from version control\n";
    let refused = !built.succeeded && built.log.contains(problem);
    assert!(refused, "{}", built.log);
}

fn falls_back(settings: &Settings, reason: &str) {
    let built = build(settings);
    let [warning] = built.warnings().try_into().unwrap();
    let is_clear = warning.contains(reason) && warning.ends_with("; built with schema.json");
    assert!(is_clear, "{warning}");
    assert_eq!(schema(), committed());
}

/// The output of the program if it was built with the API's schema.
fn generated() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

fn generates(gateway: &DevGateway, settings: &Settings) {
    assert_eq!(build(settings).warnings(), [""; 0]);
    assert_eq!(schema(), generated());
    assert_eq!(gateway.count(FILE), 1);
}

fn builds_only_when_it_must(gateway: &DevGateway, settings: &Settings) {
    gateway.forget_requests();
    let again = build(settings);
    let idle = again.succeeded && !again.log.contains("Compiling");
    assert!(idle, "{}", again.log);
    assert_eq!(gateway.count(""), 0);

    let mut without_locks = settings.clone();
    without_locks.push(("NEXUS_LOCK_DIR", String::new()));
    assert!(build(&without_locks).succeeded);
    assert_eq!(gateway.count(FILE), 1);

    // The same schema from another address: the script runs, but does not write the file.
    let written = generated_at();
    let elsewhere = format!("{}/v2{FILE}", gateway.url());
    assert!(build(&with(settings, "SCHEMA_URL", &elsewhere)).succeeded);
    let asked = gateway.count(&format!("/v2{FILE}"));
    assert_eq!((asked, generated_at()), (1, written));
}

fn falls_back_offline(gateway: &DevGateway, settings: &Settings) {
    let nobody = "http://127.0.0.1:1";
    for name in ["NEXUS_GATEWAY_URL", "SCHEMA_URL"] {
        falls_back(&with(settings, name, nobody), "connection refused");
    }
    let refused = "SCHEMA_URL responded with status 503";
    for (path, reason) in [("/v1/resolve", "503"), (FILE, refused)] {
        gateway.fail_next_at(path, 1, Fault::Status(503));
        falls_back(settings, reason);
        // Cargo runs the script again only if a setting has changed.
        assert!(build(&Settings::new()).succeeded);
    }
}

fn refuses_what_is_wrong(gateway: &DevGateway, settings: &Settings) {
    let missing = format!("{}/missing", gateway.url());
    let no_schema = format!("{}/user/repos", gateway.url());
    let https = "set SCHEMA_URL to an https URL";
    let not_found = "responded with status 404; set SCHEMA_URL to";
    for (name, value, what_to_set) in [
        ("NEXUS_GATEWAY_URL", "nowhere", "check NEXUS_GATEWAY_URL"),
        ("NEXUS_API_KEY", "wrong", "set NEXUS_API_KEY to a key that"),
        ("WORKSPACE_ID", "", "WORKSPACE_ID is not"),
        ("WORKSPACE_ID", "nobody", "set WORKSPACE_ID and PROVIDER"),
        ("SCHEMA_URL", "", "SCHEMA_URL is not"),
        ("SCHEMA_URL", "example.com", https),
        ("SCHEMA_URL", "http://192.0.2.1/", https),
        ("SCHEMA_URL", &missing, not_found),
        (
            "SCHEMA_URL",
            &no_schema,
            "not a JSON object; set SCHEMA_URL",
        ),
    ] {
        let built = build(&with(settings, name, value));
        assert!(built.error().contains(what_to_set), "{}", built.log);
        assert!(!built.log.contains(KEY), "{}", built.log);
    }
    let forbidden = Fault::reply(403, "text/plain", "forbidden");
    let advice = "forbidden; check NEXUS_GATEWAY_URL and NEXUS_API_KEY";
    for (fault, end) in [
        (forbidden, advice),
        // No setting would help.
        (Fault::WrongBrokerKey, "ask the operator to fix it"),
    ] {
        gateway.fail_next_at("/v1/resolve", 1, fault);
        let built = build(settings);
        assert!(built.error().ends_with(end), "{}", built.log);
    }
}

/// The builds have used the directory of the refresh locks.
fn takes_turns() {
    let locks = target().join("locks");
    assert!(fs::read_dir(locks).unwrap().count() > 0);
}

/// CI caches copy that directory.
fn keeps_the_key_out_of_the_target_directory(gateway: &DevGateway) {
    let requests = gateway.requests();
    let token = requests.iter().find_map(|request| {
        let header = request.headers.get("authorization")?.to_str().ok()?;
        header.strip_prefix("Bearer ")
    });
    let secrets = [KEY, token.unwrap()];
    let files = files(&target());
    assert!(files.len() > 100, "{} files", files.len());
    for path in files {
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let holds = secrets.iter().any(|secret| text.contains(secret));
        assert!(!holds, "a secret is in {}", path.display());
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let (folders, mut found): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    found.extend(folders.iter().flat_map(|folder| files(folder)));
    found
}
