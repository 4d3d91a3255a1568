//! Reads the imports between the modules of a crate from its files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path from the root: `gateway::error` is `["gateway", "error"]`, and the root is empty.
pub(crate) type Module = Vec<String>;

/// The modules, each with the modules that its code names.
pub(crate) type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// Reads the crate with this root file; `load` returns the text of a file. Leaves out modules of tests and
/// documentation, and modules that `#[path]` brings from elsewhere. Every other module must have a file.
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
    let code = flat(load(file).unwrap().parse().unwrap());
    let folder = match file.file_stem().unwrap().to_str().unwrap() {
        "lib" | "main" | "mod" => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    for declared in code.windows(3).filter(|item| item[0] == "mod") {
        let name = &declared[1];
        let place = [format!("{name}.rs"), format!("{name}/mod.rs")]
            .map(|place| folder.join(place))
            .into_iter()
            .find(|place| declared[2] == ";" && load(place).is_some())
            .unwrap_or_else(|| panic!("{name} of {} has a file", file.display()));
        let mut below = module.clone();
        below.push(name.clone());
        collect(below, &place, load, files);
    }
    files.insert(module, code);
}

/// Returns names and punctuation in order, without attributes and without the modules of tests, of documentation and
/// of `path = ".."`. Literals become `"`; the parser has dropped comments.
fn flat(code: TokenStream) -> Vec<String> {
    const LEFT_OUT: [&str; 5] = [
        "[cfg(test",
        "[cfg(all(test",
        "[cfg(doc",
        "[cfg(all(doctest",
        "[path=",
    ];
    let mut tokens: Vec<String> = Vec::new();
    let mut is_left_out = false;
    let mut trees = code.into_iter();
    while let Some(tree) = trees.next() {
        let text = tree.to_string().replace(char::is_whitespace, "");
        match tree {
            TokenTree::Group(_) if tokens.last().is_some_and(|last| last == "#") => {
                tokens.pop();
                is_left_out |= LEFT_OUT.iter().any(|start| text.starts_with(start));
            }
            TokenTree::Group(group) => {
                let is_brace = group.delimiter() == Delimiter::Brace;
                let (open, close) = if is_brace { ("{", "}") } else { ("(", ")") };
                tokens.push(open.to_owned());
                tokens.extend(flat(group.stream()));
                tokens.push(close.to_owned());
            }
            TokenTree::Ident(_) if text == "mod" && is_left_out => {
                trees.find(|tree| matches!(tree, TokenTree::Group(_)) || tree.to_string() == ";");
                is_left_out = false;
            }
            TokenTree::Ident(_) => {
                is_left_out &= text == "pub";
                tokens.push(text);
            }
            TokenTree::Punct(_) if text == ":" && tokens.last().is_some_and(|last| last == ":") => {
                tokens.pop();
                tokens.push("::".to_owned());
            }
            TokenTree::Punct(_) => tokens.push(text),
            TokenTree::Literal(_) => tokens.push("\"".to_owned()),
        }
    }
    tokens
}

/// Returns the modules that the code of a file names, except the file's own.
fn named(modules: &BTreeSet<Module>, file: &Module, code: &[String]) -> BTreeSet<Module> {
    let paths = paths(code);
    let is_child = |module: &&Module| module.split_last().is_some_and(|(_, it)| it == file);
    let children = modules.iter().filter(is_child);
    let mut scope: BTreeMap<&str, Module> = children
        .map(|child| (child.last().unwrap().as_str(), child.clone()))
        .collect();
    // `use crate::gateway` makes a path of `gateway::error`, wherever it stands.
    for path in &paths {
        let module = absolute(file, path, &scope).filter(|path| modules.contains(path));
        scope.extend(module.map(|module| (path.last().unwrap().as_str(), module)));
    }
    let paths = paths.iter().filter_map(|path| absolute(file, path, &scope));
    let mut found: BTreeSet<Module> = paths.map(|path| owner(modules, path)).collect();
    found.remove(file);
    found
}

/// Returns the path from the root, or `None` for a path outside of the crate.
fn absolute(file: &Module, path: &[String], scope: &BTreeMap<&str, Module>) -> Option<Module> {
    let (first, mut rest) = path.split_first()?;
    let mut base = match first.as_str() {
        "crate" => Vec::new(),
        "self" => file.clone(),
        "super" => {
            rest = path;
            file.clone()
        }
        name => scope.get(name)?.clone(),
    };
    while rest.first().is_some_and(|name| name == "super") {
        base.pop();
        rest = &rest[1..];
    }
    Some([&base, rest].concat())
}

/// Returns the file that a path leads to; the rest of the path is an item in the file.
fn owner(modules: &BTreeSet<Module>, mut path: Module) -> Module {
    while !modules.contains(&path) {
        path.pop();
    }
    path
}

/// Returns all paths of two or more names.
fn paths(code: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < code.len() {
        let begins = is_name(&code[at]) && (at == 0 || code[at - 1] != "::");
        if begins && code.get(at + 1).is_some_and(|next| next == "::") {
            at = tree(code, at, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads the paths of `a::b::{c, d::e}`, and returns the position of its end.
fn tree(code: &[String], mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    while is_name(&code[at]) {
        path.push(code[at].clone());
        at += 1;
        if code.get(at).is_none_or(|next| next != "::") {
            found.push(path);
            return at;
        }
        at += 1;
    }
    if code[at] != "{" {
        found.push(path);
        return at;
    }
    at += 1;
    while code[at] != "}" {
        at = match code[at].as_str() {
            name if is_name(name) => tree(code, at, &path, found),
            _ => at + 1,
        };
    }
    at + 1
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
