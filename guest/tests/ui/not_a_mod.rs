use wasmpool_guest::tasks;

#[tasks]
fn shop() {}

fn main() {}
