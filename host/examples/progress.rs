//! A thousand waiting tasks under a progress bar: reports are a stream, and any bar that wraps streams will do.
//!
//! ```text
//! wasmpool build guest/examples/delays -o delays.wasm
//! cargo run --example progress -- delays.wasm
//! ```

use std::error::Error;

use futures::{StreamExt, TryStreamExt};
use indicatif::ProgressBar;
use wasmpool::{CallReport, Pool, TaskModule};

/// Runs a thousand tasks that wait, and returns for how long each did.
pub(crate) async fn thousand(module: TaskModule, bar: ProgressBar) -> Result<Vec<f64>, Box<dyn Error>> {
    let pool = Pool::builder(module).workers(2).concurrency(500).build().await?;
    let reports = pool.task::<(), f64>("worker")?.starmap(std::iter::repeat_n((), 1_000)).as_completed();
    let values = bar.wrap_stream(reports).map(CallReport::value).try_collect().await?;
    pool.close().await;
    Ok(values)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let module = std::env::args().nth(1).ok_or("the component of guest/examples/delays is the argument")?;
    let values = thousand(TaskModule::from_file(module).await?, ProgressBar::new(1_000)).await?;
    println!("{:.1} s of waiting", values.iter().sum::<f64>());
    Ok(())
}
