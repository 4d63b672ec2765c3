#![expect(unused_variables, reason = "only signatures matter here")]

use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub fn _hidden() {}
    pub fn two__words(b_: u8) {}
    pub fn größe() {}

    pub struct Order {
        pub _item: u8,
    }
    pub fn order(order: Order) {}
}

fn main() {}
