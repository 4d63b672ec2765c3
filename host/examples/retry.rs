//! A task whose author marked it `#[retry]`, mapped over names: what fails is tried again by the pool, and who asks for
//! more says so.
//!
//! ```text
//! wasmpool build guest/examples/flaky -o flaky.wasm
//! cargo run --example retry -- flaky.wasm
//! ```

use std::error::Error;

use wasmpool::{Pool, TaskModule};

/// Maps the task over names. Four of ten attempts fail, so `attempts` should be many for all to succeed.
pub(crate) async fn values(
    module: TaskModule,
    names: u32,
    attempts: u32,
) -> Result<Vec<f64>, Box<dyn Error>> {
    let pool = Pool::builder(module).build().await?;
    let worker = pool.task::<(String,), f64>("worker")?.with_attempts(attempts);
    let values = worker.map((0..names).map(|i| format!("worker-{i}"))).try_values().await?;
    println!("{} attempts failed and were followed by another", pool.stats().attempts_retried);
    pool.close().await;
    Ok(values)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let module = std::env::args().nth(1).ok_or("the component of guest/examples/flaky is the argument")?;
    let values = values(TaskModule::from_file(module).await?, 5, 10).await?;
    println!("{values:?}");
    Ok(())
}
