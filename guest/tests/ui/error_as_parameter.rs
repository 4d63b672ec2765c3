use wasmpool_guest::tasks;

use wasmpool_guest::Error;

#[tasks]
mod shop {
    use super::*;

    pub fn explain(error: Error) -> String {
        error.to_string()
    }
}

fn main() {}
