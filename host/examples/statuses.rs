//! A session that is opened once in every sandbox, with an argument, then many requests that wait side by side.
//!
//! ```text
//! wasmpool build guest/examples/status -o status.wasm
//! cargo run --example statuses -- status.wasm https://example.org /a /b /c
//! ```

use std::error::Error;

use futures::future::try_join_all;
use wasmpool::{Grants, Pool, TaskModule};

/// Asks a server for the status of some paths.
pub(crate) async fn statuses(
    module: TaskModule,
    origin: &str,
    paths: &[String],
) -> Result<Vec<u16>, Box<dyn Error>> {
    let pool = Pool::builder(module)
        .workers(2)
        .concurrency(64)
        .init_args((2_000u32,)) // without it `build` says which arguments `open-session` takes
        .grants(Grants::none().http(origin))
        .build()
        .await?;
    let get_status = pool.task::<(String,), u16>("get-status")?;
    let calls = paths.iter().map(|path| get_status.submit((format!("{origin}{path}"),)));
    let statuses = try_join_all(calls).await?;
    pool.close().await;
    Ok(statuses)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(module), Some(origin)) = (args.next(), args.next()) else {
        return Err("the component of guest/examples/status and an origin are the arguments".into());
    };
    let paths: Vec<_> = args.collect();
    let statuses = statuses(TaskModule::from_file(module).await?, &origin, &paths).await?;
    for (path, status) in paths.iter().zip(statuses) {
        println!("{status} {path}");
    }
    Ok(())
}
