use wasmpool_guest::tasks;

#[tasks(world = "shop")]
mod shop {
    pub fn task() {}
}

fn main() {}
