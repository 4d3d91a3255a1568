//! Where the processes of this machine take turns to refresh a token: `nexus_sdk`'s `lock_dir`.

use nexus_sdk::NexusClientOptions;

/// With the lock directory.
pub(crate) fn take_turns(options: NexusClientOptions) -> NexusClientOptions {
    if let Some(directory) = directory() {
        return options.lock_dir(directory);
    }
    options
}

/// The directory of all programs of this user, whatever `XDG_CACHE_HOME` says: what starts an MCP
/// server often passes on nothing but HOME. `NEXUS_LOCK_DIR` names another; empty, it means none.
pub(crate) fn directory() -> Option<std::path::PathBuf> {
    use std::env;
    use std::path::PathBuf;

    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    if env::var_os("NEXUS_LOCK_DIR").is_some() {
        return set("NEXUS_LOCK_DIR").map(PathBuf::from);
    }
    let (home, below) = if cfg!(windows) {
        (set("LOCALAPPDATA")?, "nexus/locks")
    } else {
        (set("HOME")?, ".cache/nexus/locks")
    };
    Some(PathBuf::from(home).join(below))
}
