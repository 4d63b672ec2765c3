//! An error handler: it hears of every call that failed, whoever made it, and counts and logs them by kind.
//!
//! ```text
//! wasmpool build guest/examples/flaky -o flaky.wasm
//! cargo run --example errors -- flaky.wasm
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use wasmpool::{Event, Pool, TaskModule};

/// Takes square roots, and returns how many calls failed, by kind.
pub(crate) async fn failures(
    module: TaskModule,
    numbers: Vec<f64>,
) -> Result<BTreeMap<&'static str, u32>, Box<dyn Error>> {
    let failures = Arc::new(Mutex::new(BTreeMap::new()));
    let counted = failures.clone();
    let (say_end, mut end) = tokio::sync::mpsc::unbounded_channel();
    let pool = Pool::builder(module)
        .on_event(move |event| match event {
            Event::CallEnded { call, task, failure: Some(kind), running, .. } => {
                eprintln!("call {call} of `{task}`: {kind} after {running:.1?}");
                *counted.lock().expect("nobody panics with it").entry(kind).or_insert(0) += 1;
            }
            // The last event; whoever does not wait for it may miss some.
            Event::PoolClosed => drop(say_end.send(())),
            _ => {}
        })
        .build()
        .await?;
    let mut reports = pool.json_task("square-root")?.map(numbers.into_iter().map(Into::into));
    while reports.next().await.is_some() {}
    pool.close().await;
    end.recv().await;
    let failures = failures.lock().expect("nobody panics with it").clone();
    Ok(failures)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let module = std::env::args().nth(1).ok_or("the component of guest/examples/flaky is the argument")?;
    let failures = failures(TaskModule::from_file(module).await?, vec![1.0, -1.0, 4.0, -4.0]).await?;
    println!("{failures:?}");
    Ok(())
}
