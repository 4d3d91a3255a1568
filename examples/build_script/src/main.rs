//! Prints the schema that `build.rs` put into the program.

include!(concat!(env!("OUT_DIR"), "/schema.rs"));

fn main() {
    println!("{SCHEMA}");
}
