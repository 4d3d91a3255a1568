//! Imports point down from room to room, and files do not import each other. Examples are near the top of the documentation.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The rooms from the ground up, with their modules. A file may import from its own room and from the rooms before it. A
/// new module needs a place here.
const ROOMS: [&str; 14] = [
    "time error header hiding json lock log options panics retry sync tenant url",
    "loopback",
    "signing",
    "transport",
    "gateway",
    "capture connection providers session token wait",
    "slot cache",
    "flights",
    "inner resolve",
    "fetch",
    "client",
    "consent",
    "testing",
    "lib",
];

/// Modules by their paths from the root, such as `gateway::error`, with the modules that each imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

fn room(module: &str) -> Option<usize> {
    let first = module.split("::").next();
    ROOMS
        .iter()
        .position(|room| room.split(' ').any(|name| Some(name) == first))
}

#[test]
fn imports_lead_down_and_never_in_circles() {
    let mut sources = BTreeMap::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&src, "", &mut sources);
    let imports = imports(&sources);
    let count: usize = imports.values().map(BTreeSet::len).sum();
    assert!(count > 100, "the imports were found: {count}");
    for (file, used) in &imports {
        assert!(room(file).is_some(), "{file} has no place in ROOMS");
        for other in used {
            assert!(room(other) <= room(file), "{file} uses {other}");
            let is_circle = reached(&imports, other).contains(file);
            assert!(!is_circle, "{file} and {other} use each other");
        }
    }
}

/// A reader sees an item's example without scrolling, and can jump to it.
#[test]
fn examples_have_a_heading_after_at_most_15_lines() {
    let mut sources = BTreeMap::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    collect(&src, "", &mut sources);
    let mut count = 0;
    for (file, text) in &sources {
        let lines: Vec<_> = text.lines().map(str::trim_start).collect();
        for docs in lines.split(|line| !line.starts_with("///")) {
            let Some(code) = docs.iter().position(|line| line.starts_with("/// ```")) else {
                continue;
            };
            let heading = docs.iter().position(|line| *line == "/// # Example");
            let is_near = heading.is_some_and(|at| at <= 15 && at < code);
            assert!(is_near, "{file}: {}", docs[0]);
            count += 1;
        }
    }
    assert!(count > 100, "the examples were found: {count}");
}

fn reached(imports: &Imports, from: &str) -> BTreeSet<String> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(file) = next.pop() {
        let used = imports[&file].iter().cloned();
        next.extend(used.filter(|file| seen.insert(file.clone())));
    }
    seen
}

/// Collects the code of each module in a folder, without tests.
fn collect(folder: &Path, module: &str, sources: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let below = format!("{module}::{name}");
        let below = below.trim_start_matches("::").trim_end_matches("::mod");
        let is_test = ["tests", "model", "timing"].contains(&name);
        if path.is_dir() && !is_test {
            collect(&path, below, sources);
        } else if path.extension().is_some_and(|it| it == "rs") && !is_test {
            let text = fs::read_to_string(&path).unwrap();
            sources.insert(below.to_owned(), text);
        }
    }
}

fn imports(sources: &BTreeMap<String, String>) -> Imports {
    let mut imports = Imports::new();
    for (file, text) in sources {
        let mut used: BTreeSet<_> = paths(file, text).collect();
        used = used.iter().map(|path| owner(sources, path)).collect();
        used.remove(file);
        imports.insert(file.clone(), used);
    }
    imports
}

/// Returns the paths that begin with `crate` or `super`, and those that begin with a name, which may be a child's. Does not
/// look into groups, so write one `use` for each module.
fn paths(file: &str, text: &str) -> impl Iterator<Item = String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    let is_end = |c: char| !c.is_alphanumeric() && c != '_' && c != ':';
    let words = lines.flat_map(move |line| line.split(is_end));
    let paths = words.filter(|word| word.contains("::") && !word.starts_with("::"));
    paths.map(move |path| {
        let below = format!("{file}::{path}");
        let mut names: Vec<&str> = Vec::new();
        for name in below.split("::") {
            match name {
                "crate" => names.clear(),
                "super" => drop(names.pop()),
                "self" | "" => {}
                name => names.push(name),
            }
        }
        names.join("::")
    })
}

/// Returns the module in whose file a path leads to.
fn owner(sources: &BTreeMap<String, String>, path: &str) -> String {
    let mut path = path;
    while !sources.contains_key(path) {
        path = path.rsplit_once("::").map_or("lib", |(above, _)| above);
    }
    path.to_owned()
}

#[test]
fn each_way_to_name_a_module_is_read() {
    for (code, expected) in [
        ("use crate::c::e::{self, Name as Other};", "c::e"),
        ("use super::{Name, d};", "a"),
        ("use super::super::c; // use crate::a;", "c"),
        ("fn f() -> crate::c::e::N { super::f() }", "a c::e"),
        ("use crate::Name; mod g; use g::N;", "a::b::g lib"),
        ("use std::a;\n#[cfg(test)]\nmod t { use crate::c; }", ""),
    ] {
        let modules = ["lib", "a", "a::b", "a::b::g", "a::d", "c", "c::e"];
        let code = |module: &str| if module == "a::b" { code } else { "" };
        let sources = modules.map(|module| (module.to_owned(), code(module).to_owned()));
        let used = imports(&sources.into())["a::b"].clone();
        let used: Vec<_> = used.into_iter().collect();
        assert_eq!(used.join(" "), expected, "{}", code("a::b"));
    }
}
