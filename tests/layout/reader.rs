//! Reads the imports between the modules of a crate from its files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path from the root: `gateway::error` is `["gateway", "error"]`, and the root is empty.
pub(crate) type Module = Vec<String>;

/// The modules that have a file of their own, each with the modules that its code names.
pub(crate) type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// Reads the crate with this root file; `load` returns the text of a file. Leaves out modules of tests, and modules
/// that `#[path]` brings from elsewhere.
pub(crate) fn imports(root: &Path, load: &dyn Fn(&Path) -> Option<String>) -> Imports {
    let mut files = BTreeMap::new();
    collect(Vec::new(), root, load, &mut files);
    let modules = files.keys().cloned().collect();
    let named = files
        .into_iter()
        .map(|(file, code)| (file.clone(), named(&modules, &file, &code)));
    named.collect()
}

/// Collects the code of a file and of the files below it.
fn collect(
    module: Module,
    file: &Path,
    load: &dyn Fn(&Path) -> Option<String>,
    files: &mut BTreeMap<Module, Vec<String>>,
) {
    let text = load(file).unwrap();
    let code: TokenStream = text.parse().unwrap();
    let code = without_tests(flat(code));
    let folder = match file.file_stem().unwrap().to_str().unwrap() {
        "lib" | "main" | "mod" => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    for declared in code
        .windows(3)
        .filter(|item| item[0] == "mod" && item[2] == ";")
    {
        let name = &declared[1];
        let places =
            [format!("{name}.rs"), format!("{name}/mod.rs")].map(|place| folder.join(place));
        let place: Option<PathBuf> = places.into_iter().find(|place| load(place).is_some());
        let place = place.unwrap_or_else(|| panic!("{name} of {} has a file", file.display()));
        collect(
            [module.clone(), vec![name.clone()]].concat(),
            &place,
            load,
            files,
        );
    }
    files.insert(module, code);
}

/// Returns names and punctuation in order. Literals become `"`; the parser has dropped comments.
fn flat(code: TokenStream) -> Vec<String> {
    let mut tokens = Vec::new();
    for token in code {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    _ => ("(", ")"),
                };
                tokens.push(open.to_owned());
                tokens.extend(flat(group.stream()));
                tokens.push(close.to_owned());
            }
            TokenTree::Literal(_) => tokens.push("\"".to_owned()),
            other => tokens.push(other.to_string()),
        }
    }
    tokens
}

/// Removes the modules under `cfg(test)`, `cfg(all(test, ..))` and `path = ".."`.
fn without_tests(mut code: Vec<String>) -> Vec<String> {
    const LEFT_OUT: [&[&str]; 3] = [
        &["cfg", "(", "test"],
        &["cfg", "(", "all", "(", "test"],
        &["path", "="],
    ];
    let mut at = 0;
    while at < code.len() {
        let attribute = code[at..].strip_prefix(&["#".to_owned(), "[".to_owned()]);
        let is_left_out = attribute
            .is_some_and(|attribute| LEFT_OUT.iter().any(|start| starts(attribute, start)));
        let item = is_left_out.then(|| after_attributes(&code, at));
        let module = item.filter(|item| code[*item] == "mod");
        match module {
            Some(item) => drop(code.drain(at..after_item(&code, item))),
            None => at += 1,
        }
    }
    code
}

fn starts(code: &[String], with: &[&str]) -> bool {
    code.len() >= with.len() && code.iter().zip(with).all(|(token, with)| token == with)
}

/// Returns the position of the item after its attributes and `pub`.
fn after_attributes(code: &[String], mut at: usize) -> usize {
    while code[at] == "#" {
        at = after_group(code, at + 1);
    }
    if code[at] == "pub" {
        at += 1;
    }
    if code[at] == "(" {
        after_group(code, at)
    } else {
        at
    }
}

fn after_item(code: &[String], at: usize) -> usize {
    match code[at + 2].as_str() {
        ";" => at + 3,
        _ => after_group(code, at + 2),
    }
}

fn after_group(code: &[String], at: usize) -> usize {
    let mut depth = 0;
    for (index, token) in code.iter().enumerate().skip(at) {
        match token.as_str() {
            "{" | "[" | "(" => depth += 1,
            "}" | "]" | ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    code.len()
}

/// Returns the modules that the code of a file names, except the file's own.
fn named(modules: &BTreeSet<Module>, file: &Module, code: &[String]) -> BTreeSet<Module> {
    let paths = paths(code);
    let children = modules.iter().filter(|module| {
        module
            .split_last()
            .is_some_and(|(_, parent)| parent == file)
    });
    let mut scope: BTreeMap<&str, Module> = children
        .map(|child| (child.last().unwrap().as_str(), child.clone()))
        .collect();
    // `use crate::gateway` makes a path of `gateway::error`, wherever it stands.
    for (inline, path) in &paths {
        if let Some(module) =
            absolute(file, inline, path, &scope).filter(|path| modules.contains(path))
        {
            scope.insert(path.last().unwrap(), module);
        }
    }
    let paths = paths
        .iter()
        .filter_map(|(inline, path)| absolute(file, inline, path, &scope));
    let mut found: BTreeSet<Module> = paths.filter_map(|path| owner(modules, path)).collect();
    found.remove(file);
    found
}

/// Returns the path from the root, or `None` for a path outside of the crate.
fn absolute(
    file: &Module,
    inline: &Module,
    path: &[String],
    scope: &BTreeMap<&str, Module>,
) -> Option<Module> {
    let here = || [file.clone(), inline.clone()].concat();
    let (first, rest) = path.split_first()?;
    let (mut base, mut rest) = match first.as_str() {
        "crate" => (Vec::new(), rest),
        "self" => (here(), rest),
        "super" => (here(), path),
        name => (scope.get(name)?.clone(), rest),
    };
    while let Some(("super", below)) = rest
        .split_first()
        .map(|(first, below)| (first.as_str(), below))
    {
        base.pop();
        rest = below;
    }
    Some([&base, rest].concat())
}

/// Returns the file that a path leads to; the rest of the path is an item in the file.
fn owner(modules: &BTreeSet<Module>, mut path: Module) -> Option<Module> {
    while !modules.contains(&path) {
        path.pop()?;
    }
    Some(path)
}

/// Returns all paths of two or more names, each with the inline modules around it.
fn paths(code: &[String]) -> Vec<(Module, Vec<String>)> {
    let mut found = Vec::new();
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut at = 0;
    while at < code.len() {
        inline.retain(|(_, end)| at < *end);
        if code[at] == "mod" && code.get(at + 2).is_some_and(|mark| mark == "{") {
            inline.push((code[at + 1].clone(), after_group(code, at + 2)));
        }
        let within_path = at > 0
            && code[at - 1] == ":"
            && code.get(at.wrapping_sub(2)).is_some_and(|mark| mark == ":");
        if is_name(&code[at]) && !within_path && is_separator(code, at + 1) {
            let names = inline.iter().map(|(name, _)| name.clone()).collect();
            let mut tails = Vec::new();
            at = tree(code, at, &mut Vec::new(), &mut tails);
            found.extend(tails.into_iter().map(|path| (Module::clone(&names), path)));
        } else {
            at += 1;
        }
    }
    found
}

/// Reads the paths of `a::b::{c, d::e}`, and returns the position of its end.
fn tree(
    code: &[String],
    mut at: usize,
    before: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> usize {
    let depth = before.len();
    loop {
        match code.get(at).map_or("", String::as_str) {
            "{" => {
                let end = after_group(code, at);
                at += 1;
                while at + 1 < end {
                    at = match code[at].as_str() {
                        name if is_name(name) => tree(code, at, before, found),
                        _ => at + 1,
                    };
                }
                at = end;
                break;
            }
            name if is_name(name) => before.push(name.to_owned()),
            _ => {
                found.push(before.clone());
                break;
            }
        }
        at += 1;
        if !is_separator(code, at) {
            found.push(before.clone());
            break;
        }
        at += 2;
    }
    before.truncate(depth);
    at
}

fn is_separator(code: &[String], at: usize) -> bool {
    code.get(at).is_some_and(|mark| mark == ":") && code.get(at + 1).is_some_and(|mark| mark == ":")
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
