use wasmpool_guest::tasks;

#[tasks]
mod shop {
    #[timeout("0s")]
    pub fn at_once() {}
    #[timeout(2)]
    pub fn bare() {}
    #[timeout("0.5ms")]
    pub fn too_fine() {}
    #[idempotent(true)]
    pub fn claims() {}
}

fn main() {}
