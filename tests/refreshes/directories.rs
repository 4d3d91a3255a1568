//! The directory in which a process locks files, by its options and its environment, and the line that it logs.

use std::fs;
use std::path::{Path, PathBuf};

use nexus_sdk::testing::DevGateway;
use nexus_sdk::{LogLevel, NexusClient, NexusClientOptions};
use serde_json::{Value, json};

use crate::{command, scratch};

/// The directory of a process with this home.
pub(crate) fn default_dir(home: &Path) -> PathBuf {
    home.join(".local/state/nexus/locks")
}

/// Resolves a token twice. Runs in a process of its own.
pub(crate) fn resolve(url: &str, task: &Value) {
    let options = NexusClientOptions::new(url).log_level(LogLevel::Debug);
    let options = match task["option"].as_str() {
        None => options,
        Some("off") => options.without_lock(),
        Some(dir) => options.lock_dir(dir),
    };
    match NexusClient::new(options) {
        Ok(client) => {
            for _ in 0..2 {
                client.resolve_token("ws", "github").unwrap();
            }
        }
        Err(error) => eprintln!("refused: {error}"),
    }
}

struct Case {
    name: &'static str,
    /// Paths begin with `/`, which stands for the scratch directory.
    variables: &'static [(&'static str, &'static str)],
    option: Option<&'static str>,
    /// The place of the one lock file afterwards, below the scratch directory.
    dir: Option<&'static str>,
    /// The only line about locks.
    line: Option<&'static str>,
}

const HOME: (&str, &str) = (crate::HOME, "/home");
const DEFAULT: &str = "the default";

const BASE: Case = Case {
    name: "",
    variables: &[HOME],
    option: None,
    dir: None,
    line: None,
};
const WITHOUT: Option<&str> =
    Some("warn: workspace \"ws\", provider \"github\": continuing without the lock");

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case { name: "by default", dir: Some(DEFAULT), ..BASE },
    Case { name: "whatever the state directory", variables: &[HOME, ("XDG_STATE_HOME", "/xdg")], dir: Some(DEFAULT), ..BASE },
    Case { name: "a relative home", variables: &[(crate::HOME, "home")], line: Some("warn: no home directory"), ..BASE },
    Case { name: "a named directory", variables: &[HOME, ("NEXUS_LOCK_DIR", "/named")], dir: Some("named"), ..BASE },
    Case { name: "a name from a file with CRLF", variables: &[HOME, ("NEXUS_LOCK_DIR", "/named \r\n")], dir: Some("named"), ..BASE },
    Case { name: "an empty name", variables: &[HOME, ("NEXUS_LOCK_DIR", "")], ..BASE },
    Case { name: "a blank name", variables: &[HOME, ("NEXUS_LOCK_DIR", " \r\n")], ..BASE },
    Case { name: "a relative name", variables: &[HOME, ("NEXUS_LOCK_DIR", "named")], line: Some("refused: invalid_input: NEXUS_LOCK_DIR"), ..BASE },
    Case { name: "an option", variables: &[HOME, ("NEXUS_LOCK_DIR", "named")], option: Some("/own"), dir: Some("own"), ..BASE },
    Case { name: "a relative option", option: Some("~/locks"), line: Some("refused: invalid_input: lock_dir"), ..BASE },
    Case { name: "without", variables: &[HOME, ("NEXUS_LOCK_DIR", "/named")], option: Some("off"), ..BASE },
    Case { name: "an option that is a file", option: Some("/file"), line: WITHOUT, ..BASE },
];

/// The lock files of a directory and of those below it.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap();
    let files = entries.flat_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    });
    files.collect()
}

#[test]
fn options_and_environment_say_where_the_lock_files_are() {
    let gateway = DevGateway::start().unwrap();
    gateway.connect("ws", "github").unwrap();
    for case in CASES {
        let dir = scratch("directories");
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("file");
        fs::write(&file, "").unwrap();
        let placed = |path: &str| match path.strip_prefix('/') {
            Some(below) => dir.join(below).to_str().unwrap().to_owned(),
            None => path.to_owned(),
        };
        let task = json!({
            "url": gateway.url(), "way": "Once", "option": case.option.map(placed),
        });
        let variables = case.variables.iter();
        let output = command(&task)
            .current_dir(&dir)
            .envs(variables.map(|(name, value)| (name, placed(value))))
            .env_remove("NEXUS_LOG")
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{}: {stderr}", case.name);

        let mut found = files(&dir);
        found.retain(|path| *path != file);
        let expected = case.dir.map(|below| match below {
            DEFAULT => default_dir(&dir.join("home")),
            below => dir.join(below),
        });
        let parents: Vec<_> = found.iter().map(|path| path.parent().unwrap()).collect();
        assert!(
            parents.iter().copied().eq(expected.as_deref()),
            "{}: {parents:?}",
            case.name
        );
        // With the feature `log`, only the error of `NexusClient::new` is written to stderr.
        let lines = stderr
            .lines()
            .map(|line| line.trim_start_matches("[NexusSDK] "));
        let mut lines: Vec<_> = lines.collect();
        lines.retain(|line| line.contains("lock") || line.contains("LOCK"));
        let refused = case.line.is_some_and(|line| line.starts_with("refused"));
        if cfg!(not(feature = "log")) || refused {
            let count = case.line.iter().count();
            assert_eq!(lines.len(), count, "{}: {lines:?}", case.name);
            let begin = case.line.unwrap_or_default();
            let begins = lines.iter().all(|line| line.starts_with(begin));
            assert!(begins, "{}: {lines:?}", case.name);
        }
    }
}
