#![expect(unused_variables, reason = "only signatures matter here")]

use wasmpool_guest::tasks;

use std::collections::HashMap;

#[tasks]
mod shop {
    use super::*;

    pub fn prices(of: Vec<HashMap<String, f64>>) {}
    pub fn count() -> usize {
        0
    }
    pub fn callback(f: impl Fn()) {}
    pub fn boxed() -> Option<Box<u8>> {
        None
    }
    pub fn nothing(unit: ()) {}
    pub fn array(of: [u8; 4]) {}
}

fn main() {}
