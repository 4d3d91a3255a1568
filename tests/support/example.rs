//! The examples and `nexus`, as programs.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Returns the example beside this test, without the settings of whoever runs it.
#[allow(dead_code, reason = "some tests run `nexus` alone")]
pub(crate) fn program(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().unwrap().parent().unwrap().join("examples");
    let path = built.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let built = fs::read_to_string(path.with_extension("d"));
    assert!(
        path.exists() && is_newer(&path, &built.unwrap_or_default()),
        "run `cargo build --examples`: `cargo test --test ..` alone does not"
    );
    configured(&path)
}

/// Returns a program without the settings of whoever runs it.
pub(crate) fn configured(path: &Path) -> Command {
    #[cfg(unix)]
    heed_signals();
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        let settings = ["WORKSPACE_ID", "PROVIDER", "UPSTREAM_URL", "SSH_CONNECTION"];
        let setting = settings.contains(&upper.as_str());
        if setting || upper.starts_with("NEXUS_") || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    // Tests leave nothing in the home directory of whoever runs them.
    command.env("NEXUS_LOCK_DIR", "");
    command
}

/// Background jobs of a script ignore SIGINT, and so would every program that a test starts there. A
/// signal that this process handles is not ignored by its children.
#[cfg(unix)]
fn heed_signals() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::flag::register_conditional_default;
    use std::sync::{Arc, Once};

    static HEED: Once = Once::new();
    HEED.call_once(|| {
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            register_conditional_default(signal, Arc::new(true.into())).unwrap();
        }
    });
}

/// Returns whether a program is as new as its sources, which Cargo lists after the program's name.
fn is_newer(program: &Path, sources: &str) -> bool {
    let modified = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let sources = sources.split_once(": ").map_or("", |(_, paths)| paths);
    let sources = sources.replace("\\ ", "\0");
    let mut paths = sources
        .split_whitespace()
        .map(|path| path.replace('\0', " "));
    paths.all(|path| modified(Path::new(&path)) <= modified(program))
}
