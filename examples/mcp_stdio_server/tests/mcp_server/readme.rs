//! The snippets of the server's README.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::client::{Client, outcome};
use crate::command;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
const README: &str = include_str!("../../README.md");
const TOOLS: &str = include_str!("../../src/tools.rs");

/// Returns the code blocks in a language.
fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    let blocks = README.split("```").skip(1).step_by(2);
    blocks.filter_map(move |block| {
        let (found, code) = block.split_once('\n')?;
        (found.split(',').next() == Some(language)).then_some(code)
    })
}

#[test]
fn its_tool_is_one_of_the_servers() {
    let lines = |text: &str| {
        text.lines()
            .map(|it| it.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let tools = lines(TOOLS);
    let mut count = 0;
    for block in blocks("rust") {
        let block = lines(block);
        let mut parts = tools.windows(block.len());
        assert!(parts.any(|part| part == block), "{block:?}");
        count += 1;
    }
    assert_eq!(count, 1);
}

#[test]
fn the_first_lines_to_try_work() {
    let block = blocks("sh").next().unwrap();
    let (_, lines) = block.split_once("echo '").unwrap();
    let (lines, rest) = lines.split_once('\'').unwrap();
    assert!(rest.contains("mcp_stdio_server --demo"));
    let mut client = Client::start(command().arg("--demo"));
    client.write(lines);
    let requests = lines.lines().count();
    assert_eq!(requests, 4);
    let responses = client.close();
    assert_eq!(responses.len(), requests);
    for response in responses {
        assert!(response["error"].is_null(), "{response}");
        if response["id"] == 3 || response["id"] == 4 {
            assert!(outcome(&response).is_ok(), "{response}");
        }
    }
}

#[test]
fn the_servers_settings_are_complete() {
    let config: Value = serde_json::from_str(blocks("json").next().unwrap()).unwrap();
    let env = config["mcpServers"]["github"]["env"].as_object().unwrap();
    let env = env
        .iter()
        .map(|(name, value)| (name, value.as_str().unwrap()));
    let mut server = command();
    server.envs(env);
    Client::start(&mut server).ping();

    let router = blocks("toml").next().unwrap();
    let (_, settings) = router.split_once("env = {").unwrap();
    let mut server = command();
    for setting in settings.trim_end().trim_end_matches('}').split("\", ") {
        let (name, value) = setting.split_once(" = ").unwrap();
        server.env(name.trim(), value.trim().trim_matches('"'));
    }
    Client::start(&mut server).ping();
}

fn is_source(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|it| it == "rs")
}

/// Returns the names of the source files below the example's folder.
fn sources(folder: &str) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(Path::new(FOLDER).join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = [folder, &name].concat();
        if is_source(&path) {
            files.insert(path);
        } else if !name.contains('.') {
            files.extend(sources(&format!("{path}/")));
        }
    }
    files
}

#[test]
fn its_table_of_files_is_complete() {
    let rows = README.lines().filter(|row| row.starts_with("| `"));
    let files = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    let listed: BTreeSet<_> = files
        .filter(|file| is_source(file))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, sources(""));
}

#[test]
#[ignore = "builds a crate: .ci/run does"]
fn a_copy_builds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = tmp.join("mcp_copy");
    copy(Path::new(FOLDER), &folder.join("src"));
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let manifest = blocks("toml").nth(1).unwrap();
    let patch =
        format!("[workspace]\n[patch.crates-io]\nnexus-gateway-sdk = {{ path = {root:?} }}\n");
    fs::write(folder.join("Cargo.toml"), format!("{manifest}\n{patch}")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    // The test of the build script has compiled most dependencies there.
    cargo
        .args(["build", "--offline", "--quiet", "--target-dir"])
        .arg(tmp.join("example"));
    let output = cargo.current_dir(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}
