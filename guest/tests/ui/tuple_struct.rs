#![expect(unused_variables, reason = "only signatures matter here")]

use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub struct Id(u64);
    pub fn id(id: Id) {}
}

fn main() {}
