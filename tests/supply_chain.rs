//! Holds the crates of all features, tests, benchmarks and platforms to the lists of deny.toml.
//!
//! `cargo deny` does the same, and knows advisories, but takes long to install. These tests need Cargo alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::iter::Peekable;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use nexus_sdk::serde_json::{self, Value};

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The packages that Cargo compiles for some feature, test or platform. Cargo's metadata has more.
static PACKAGES: LazyLock<Vec<Package>> = LazyLock::new(packages);

struct Package {
    name: String,
    version: String,
    licence: String,
    source: Option<String>,
    has_build_script: bool,
}

#[test]
fn every_crate_is_as_the_lists_say() {
    type Check<'a> = &'a dyn Fn(&Package) -> bool;
    let allowed = list("licenses", "allow");
    let banned = list("bans", "deny");
    let scripts = list("bans.build", "allow-build-scripts");
    let table: [(&str, Check<'_>); 4] = [
        ("a licence that is not on the list", &|it| {
            !permits(&it.licence, &allowed)
        }),
        ("a banned crate", &|it| banned.contains(&it.name)),
        ("an unknown build script", &|it| {
            it.has_build_script && !scripts.contains(&it.name)
        }),
        ("another source", &|it| {
            it.source.as_deref() != Some(CRATES_IO)
        }),
    ];
    for (problem, has_it) in table {
        assert_eq!(others(has_it), [""; 0], "{problem}");
    }
}

#[test]
fn a_crate_comes_in_one_version() {
    let skipped = list("bans", "skip");
    let counted = PACKAGES.iter().filter(|it| !is_one_of(it, &skipped));
    let mut names: Vec<_> = counted.map(|it| &it.name).collect();
    names.sort();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert!(twice.is_none(), "{twice:?}");
}

#[test]
fn exceptions_are_still_needed() {
    for skipped in list("bans", "skip") {
        let needed = PACKAGES.iter().any(|it| is_version(it, &skipped));
        assert!(needed, "skip: {skipped}");
    }
    for name in list("bans.build", "allow-build-scripts") {
        let needed = PACKAGES
            .iter()
            .any(|it| it.has_build_script && it.name == name);
        assert!(needed, "allow-build-scripts: {name}");
    }
    for name in list("licenses", "allow") {
        let needed = PACKAGES.iter().any(|it| it.licence.contains(&name));
        assert!(needed, "allow: {name}");
    }
}

#[test]
fn licence_expressions_are_read_as_spdx() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for (expression, permitted) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT-0", false),
        ("MIT WITH some-exception", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("ISC AND MIT", true),
        ("GPL-3.0 AND ISC OR MIT", true),
        ("GPL-3.0 AND (ISC OR MIT)", false),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("", false),
    ] {
        assert_eq!(permits(expression, &allowed), permitted, "{expression:?}");
    }
}

/// Returns names and versions of the other crates for which the condition holds.
fn others(is_meant: impl Fn(&Package) -> bool) -> Vec<String> {
    assert!(PACKAGES.len() > 50, "the crates were found");
    let meant = PACKAGES
        .iter()
        .filter(|it| !it.name.starts_with(env!("CARGO_PKG_NAME")) && is_meant(it));
    meant
        .map(|it| format!("{} {}", it.name, it.version))
        .collect()
}

fn is_one_of(package: &Package, versions: &[String]) -> bool {
    versions.iter().any(|it| is_version(package, it))
}

/// Returns whether `name@version` means a package; the version may lack its last parts.
fn is_version(package: &Package, meant: &str) -> bool {
    let (name, version) = meant.split_once('@').unwrap();
    package.name == name && format!("{}.", package.version).starts_with(&format!("{version}."))
}

/// The packages of the library and of the benchmarks. A crate of both is listed once.
fn packages() -> Vec<Package> {
    let mut all = compiled("Cargo.toml");
    all.extend(compiled("benches/Cargo.toml"));
    let key = |it: &Package| (it.name.clone(), it.version.clone());
    all.sort_by_key(key);
    all.dedup_by_key(|it| key(it));
    all
}

fn compiled(manifest: &str) -> Vec<Package> {
    let tree = ["tree", "--target=all", "--prefix=none", "--format={p} "];
    let tree = cargo(manifest, &tree);
    let compiled = |it: &Package| {
        let start = format!("{} v{} ", it.name, it.version);
        tree.lines().any(|line| line.starts_with(&start))
    };
    let metadata = cargo(manifest, &["metadata", "--format-version=1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(package).filter(compiled).collect()
}

fn cargo(manifest: &str, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--all-features", "--manifest-path", manifest])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

fn package(json: &Value) -> Package {
    let text = |key: &str| json[key].as_str().map(str::to_owned);
    let targets = json["targets"].as_array().unwrap();
    Package {
        name: text("name").unwrap(),
        version: text("version").unwrap(),
        licence: text("license").unwrap_or_default(),
        source: text("source"),
        has_build_script: targets.iter().any(|it| it["kind"][0] == "custom-build"),
    }
}

/// Reads a list of strings in deny.toml.
fn list(section: &str, key: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/deny.toml");
    let text = fs::read_to_string(file).unwrap();
    let section = text.split(&format!("\n[{section}]\n")).nth(1).unwrap();
    let list = section.split(&format!("\n{key} = [\n")).nth(1).unwrap();
    let lines = list.lines().take_while(|line| *line != "]");
    lines
        .map(|line| line.trim_matches([' ', '"', ',']).to_owned())
        .collect()
}

/// Returns whether the licences of a list satisfy an SPDX expression.
fn permits(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace(" WITH ", "-WITH-");
    any_of(&mut spaced.split_whitespace().peekable(), allowed)
}

fn any_of<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>, allowed: &[String]) -> bool {
    let mut met = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed);
    }
    met
}

fn all_of<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>, allowed: &[String]) -> bool {
    let mut met = one_of(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one_of(words, allowed);
    }
    met
}

fn one_of<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>, allowed: &[String]) -> bool {
    if words.next_if_eq(&"(").is_none() {
        return words
            .next()
            .is_some_and(|name| allowed.iter().any(|it| it == name));
    }
    let met = any_of(words, allowed);
    met && words.next() == Some(")")
}
