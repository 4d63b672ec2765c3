#![expect(unused_variables, reason = "only signatures matter here")]

use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub enum Shape {
        Circle { radius: f64 },
    }
    pub fn area(shape: Shape) -> f64 {
        0.0
    }
}

fn main() {}
