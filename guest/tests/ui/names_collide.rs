#![expect(unused_variables, reason = "only signatures matter here")]

use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub struct GetStatus {
        pub a_b: u8,
        #[expect(non_snake_case)]
        pub aB: u8,
    }
    pub fn get_status() {}
    #[expect(non_snake_case)]
    pub fn getStatus(a: GetStatus) {}
}

fn main() {}
