use wasmpool_guest::tasks;

#[tasks]
mod shop {
    #[init]
    pub fn one() {}
    #[init]
    pub fn two() {}
}

fn main() {}
