//! Tasks that fail are adjusted and submitted again as soon as they do, until all have succeeded.
//!
//! ```text
//! wasmpool build guest/examples/flaky -o flaky.wasm
//! cargo run --example adjust -- flaky.wasm
//! ```

use std::error::Error;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use wasmpool::wasmtime::{self, component::ComponentType, component::Lift};
use wasmpool::{CallError, Pool, TaskModule};

/// The task's own error, case by case as its author wrote it.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(variant)]
enum Trouble {
    #[component(name = "negative")]
    Negative(f64),
    #[component(name = "not-a-number")]
    NotANumber,
}

/// Takes square roots; what is negative is tried again without its sign. Returns roots with the place of their number, as
/// they come, and how many calls that took.
pub(crate) async fn roots(
    module: TaskModule,
    numbers: &[f64],
) -> Result<(Vec<(usize, f64)>, usize), Box<dyn Error>> {
    let pool = Pool::builder(module).build().await?;
    let root = pool.task_with_error::<(f64,), f64, Trouble>("square-root")?;
    let submit = |place: usize, number: f64| root.submit((number,)).with(place);
    let mut running: FuturesUnordered<_> =
        numbers.iter().enumerate().map(|(place, number)| submit(place, *number)).collect();
    let (mut results, mut calls) = (Vec::new(), running.len());
    while let Some((place, ended)) = running.next().await {
        match ended {
            Ok(value) => results.push((place, value)),
            Err(CallError::Returned(Trouble::Negative(number))) => {
                println!("{number} has no root, {} may have", -number);
                running.push(submit(place, -number));
                calls += 1;
            }
            Err(CallError::Returned(Trouble::NotANumber)) => return Err("that cannot be mended".into()),
            Err(CallError::Failed(failure)) => return Err(failure.into()),
            Err(CallError::Pool(error)) => return Err(error.into()),
        }
    }
    pool.close().await;
    Ok((results, calls))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let module = std::env::args().nth(1).ok_or("the component of guest/examples/flaky is the argument")?;
    let (roots, calls) =
        roots(TaskModule::from_file(module).await?, &[1.0, -4.0, 9.0, -16.0, 25.0, -36.0, 49.0]).await?;
    println!("{calls} calls: {roots:?}");
    Ok(())
}
