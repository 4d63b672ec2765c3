#![expect(unused_variables, reason = "only signatures matter here")]

use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub struct Tree {
        pub children: Vec<Tree>,
    }
    pub fn depth(tree: Tree) -> u32 {
        0
    }
}

fn main() {}
