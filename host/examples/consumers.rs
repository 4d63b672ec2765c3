//! Five consumers and a producer over a shared queue, with an end that cannot be forgotten.
//!
//! ```text
//! wasmpool build guest/examples/jobs -o jobs.wasm
//! cargo run --example consumers -- jobs.wasm
//! ```

use std::error::Error;

use futures::future::try_join_all;
use wasmpool::{Pool, Queue, TaskModule};

/// Has five tasks process `numbers`, and returns how many each of them did.
pub(crate) async fn consume(
    module: TaskModule,
    numbers: impl Iterator<Item = i64>,
) -> Result<Vec<u32>, Box<dyn Error>> {
    let pool = Pool::builder(module).workers(2).build().await?;
    let queue = pool.queue::<i64>("numbers", 8);
    let worker = pool.task::<(String, Queue<i64>), u32>("worker")?;
    // They run already and wait, which costs nobody anything.
    let consumers: Vec<_> = (0..5).map(|i| worker.submit((format!("worker-{i}"), queue.clone()))).collect();
    for number in numbers {
        queue.put(&number).await?;
    }
    // Without this line `pool.close()` would end them.
    queue.close();
    let seen = try_join_all(consumers).await?;
    pool.close().await;
    Ok(seen)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let module = std::env::args().nth(1).ok_or("the component of guest/examples/jobs is the argument")?;
    let seen = consume(TaskModule::from_file(module).await?, 0..20).await?;
    println!("{seen:?}");
    Ok(())
}
