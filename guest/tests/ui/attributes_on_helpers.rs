use wasmpool_guest::tasks;

#[tasks]
mod shop {
    #[retry]
    fn helper() {}
    pub fn task() {
        helper();
    }
}

fn main() {}
