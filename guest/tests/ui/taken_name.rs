use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub enum TaskError {
        Closed,
    }
    pub fn order() -> Result<(), TaskError> {
        Ok(())
    }
}

fn main() {}
