use wasmpool_guest::tasks;

#[tasks]
mod shop {
    #[init]
    #[retry]
    pub fn open_session() {}
}

fn main() {}
