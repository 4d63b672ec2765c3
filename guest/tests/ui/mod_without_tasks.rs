use wasmpool_guest::tasks;

#[tasks]
mod shop {
    fn helper() {}
}

fn main() {}
