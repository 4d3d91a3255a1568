//! Imports in the library and in `nexus` point one way: down from layer to layer, and never in circles
//! between files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod reader;
mod small_crates;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use reader::{Imports, Module};

/// The layers from the ground up, with their modules. A layer may use the layers before it. `lib` is the root.
type Layers = &'static [(&'static str, &'static str)];

const LAYERS: Layers = &[
    (
        "ground",
        "base64 debug time error header hiding json lock log options retry sync url",
    ),
    ("loopback", "loopback"),
    ("signing", "signing"),
    ("transport", "transport"),
    ("gateway", "gateway"),
    (
        "vocabulary",
        "capture connection providers session token wait",
    ),
    ("cache", "cache"),
    ("flights", "flights"),
    ("inner", "inner"),
    ("fetch", "fetch"),
    ("client", "client"),
    ("consent", "consent"),
    ("testing", "testing"),
    ("lib", "lib"),
];

/// The layers of `examples/nexus`.
const BIN_LAYERS: Layers = &[
    ("ground", "ending text times"),
    ("stop", "stop"),
    ("tools", "args browser output ssh terminal usage"),
    ("credentials", "credential report single"),
    (
        "commands",
        "aws_credentials completions connect env exec fetch gateway git_credential health providers refresh revoke \
         status token",
    ),
    ("main", "lib"),
];

/// The imports of library and program, their layers, and a number of imports that must be exceeded.
static CRATES: LazyLock<[(Imports, Layers, usize); 2]> = LazyLock::new(|| {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |root| reader::imports(&sources.join(root), &|path| fs::read_to_string(path).ok());
    [
        (read("lib.rs"), LAYERS, 100),
        (read("../examples/nexus/src/main.rs"), BIN_LAYERS, 80),
    ]
});

#[test]
fn every_file_has_its_layer() {
    for (imports, layers, _) in &*CRATES {
        let missing = imports.keys().filter(|file| layer(layers, file).is_none());
        let missing: Vec<String> = missing.map(name).collect();
        assert_eq!(missing, [""; 0], "without a place in LAYERS");
    }
}

#[test]
fn imports_lead_down_from_layer_to_layer() {
    for (imports, layers, _) in &*CRATES {
        assert_eq!(upward(layers, imports), [""; 0]);
    }
}

#[test]
fn no_files_import_each_other() {
    for (imports, _, least) in &*CRATES {
        let count: usize = imports.values().map(BTreeSet::len).sum();
        assert!(count > *least, "the imports were found: {count}");
        let circles = circles(imports).into_iter();
        let circles = circles.map(|circle| circle.iter().map(name).collect::<Vec<_>>().join(", "));
        assert_eq!(circles.collect::<Vec<_>>(), [""; 0]);
    }
}

/// Each command is a file, which uses no other command.
#[test]
fn commands_do_not_import_each_other() {
    let (imports, layers, _) = &CRATES[1];
    let commands = layers.iter().position(|(name, _)| *name == "commands");
    let is_command = |file: &Module| layer(layers, file) == commands;
    for (file, used) in imports.iter().filter(|(file, _)| is_command(file)) {
        let others: Vec<String> = used.iter().filter(|it| is_command(it)).map(name).collect();
        assert_eq!(others, [""; 0], "{}", name(file));
    }
}

/// Imports that lead up, from a layer to a later one.
fn upward(layers: Layers, imports: &Imports) -> Vec<String> {
    let mut upward = Vec::new();
    for (file, used) in imports {
        let later = used
            .iter()
            .filter(|used| layer(layers, used) > layer(layers, file));
        upward.extend(later.map(|used| format!("{} uses {}", name(file), name(used))));
    }
    upward
}

fn layer(layers: Layers, file: &Module) -> Option<usize> {
    let module = file.first().map_or("lib", String::as_str);
    let has_module = |modules: &str| modules.split(' ').any(|it| it == module);
    layers.iter().position(|(_, modules)| has_module(modules))
}

/// The sets of files that import each other, directly or through others.
fn circles(imports: &Imports) -> BTreeSet<BTreeSet<Module>> {
    let reach = |file: &Module| reached(imports, file);
    let circle_of = |file: &Module| -> BTreeSet<Module> {
        let mutual = reach(file)
            .into_iter()
            .filter(|other| reach(other).contains(file));
        mutual.cloned().collect()
    };
    let circles = imports.keys().map(circle_of);
    circles.filter(|circle| !circle.is_empty()).collect()
}

fn reached<'a>(imports: &'a Imports, from: &Module) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&Module> = imports[from].iter().collect();
    while let Some(file) = next.pop() {
        if seen.insert(file) {
            next.extend(&imports[file]);
        }
    }
    seen
}

fn name(file: &Module) -> String {
    match file.as_slice() {
        [] => "lib".to_owned(),
        names => names.join("::"),
    }
}
