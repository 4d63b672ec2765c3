#![expect(unused_variables, reason = "only signatures matter here")]

use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub fn names(of: Vec<&str>) {}
    pub fn first() -> &'static str {
        "first"
    }
    pub fn change(text: &mut str) {}
    pub fn numbers(of: &[u32]) {}
    pub fn long(text: &'static str) {}
}

fn main() {}
