//! Prints the schema, from the constant that `build.rs` generated.

include!(concat!(env!("OUT_DIR"), "/schema.rs"));

fn main() {
    println!("{SCHEMA}");
}
