//! The public names of the crate.

/// Returns the names of the types, traits and constants that a source file makes public.
pub(crate) fn exports(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code.collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for start in ["pub use ", "pub struct ", "pub enum "] {
        for found in code.split(start).skip(1) {
            let found = found.split([';', '(']).next().unwrap();
            let found = if start == "pub use " {
                found
            } else {
                found.split_whitespace().next().unwrap()
            };
            let words = found.split(|c: char| !c.is_alphanumeric() && c != '_');
            let types = words.filter(|word| word.starts_with(char::is_uppercase));
            names.extend(types.map(str::to_owned));
        }
    }
    names
}
