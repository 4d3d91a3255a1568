//! Imports point one way: a module may use only those that stand before it here.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const ORDER: &[&str] = &[
    "seeded",
    "error",
    "base64",
    "json",
    "clock",
    "log",
    "timestamp",
    "url",
    "retry",
    "options",
    "hosts",
    "sync",
    "single_flight",
    "signing",
    "strategy",
    "token",
    "key",
    "slots",
    "token_cache",
    "connection",
    "wait",
    "session",
    "admin",
    "redirect",
    "fetch_options",
    "agent",
    "transport",
    "gateway_error",
    "gateway",
    "resolve",
    "bound",
    "fetch",
    "fetcher",
    "native",
    "client",
    "fuzzing",
    "testing",
    "lib",
];

#[test]
fn every_module_has_its_place() {
    let found: BTreeSet<String> = modules().into_keys().collect();
    let listed: BTreeSet<String> = ORDER.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, listed);
}

#[test]
fn imports_point_one_way() {
    let place = |name: &str| ORDER.iter().position(|module| *module == name);
    let mut seen = 0;
    for (module, text) in modules() {
        for used in uses(&text) {
            seen += 1;
            let upward = place(&used).is_none_or(|used| Some(used) > place(&module));
            assert!(
                !upward,
                "{module} uses {used}, which does not stand before it"
            );
        }
    }
    assert!(seen > 50, "the imports were found");
}

/// Name and code of each module, its submodules included and its tests left out.
fn modules() -> BTreeMap<String, String> {
    let mut modules = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        modules
            .entry(name)
            .or_insert_with(String::new)
            .push_str(&code(&path));
    }
    modules
}

fn code(path: &Path) -> String {
    let name = path.file_stem().unwrap().to_str().unwrap();
    if name == "tests" || name.starts_with("against_") {
        return String::new();
    }
    if path.is_dir() {
        let files = fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
        return files.map(|file| code(&file)).collect();
    }
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap()
        .to_owned()
}

/// The modules of this crate that a text names as `crate::<module>`, documentation aside.
fn uses(text: &str) -> Vec<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let tails = code.split("crate::").skip(1);
    let names = tails.map(|tail| {
        tail.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
    });
    names.map(Iterator::collect).collect()
}
