//! A small HTTP service over a pool: text that nobody trusts is turned into HTML in a sandbox.
//!
//! ```text
//! wasmpool build guest/examples/markdown -o markdown.wasm
//! wasmpool build guest/examples/delays -o delays.wasm
//! cargo run --example embed -- markdown.wasm delays.wasm
//! curl --data-binary '# Hello' http://127.0.0.1:PORT/html
//! curl http://127.0.0.1:PORT/nap/100
//! ```
//!
//! A client that disconnects drops its handler's future, and with it the call: the place in the pool is free
//! again, and nobody else notices.

use std::error::Error;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use wasmpool::{CallError, Pool, PoolError, Task, TaskModule};

/// The tasks that the service offers.
#[derive(Clone)]
pub(crate) struct Tasks {
    to_html: Task<(String,), String>,
    nap: Task<(u32,), u32>,
}

impl Tasks {
    /// Finds the tasks in a pool over the modules of the examples; their types are checked here, once.
    pub(crate) fn of(pool: &Pool) -> Result<Self, PoolError> {
        Ok(Tasks { to_html: pool.task("to-html")?, nap: pool.task("nap")? })
    }
}

/// Routes requests to tasks.
pub(crate) fn service(tasks: Tasks) -> Router {
    Router::new().route("/html", post(html)).route("/nap/{ms}", get(nap)).with_state(tasks)
}

async fn html(State(tasks): State<Tasks>, markdown: String) -> Result<String, (StatusCode, String)> {
    tasks.to_html.call((markdown,)).await.map_err(refusal)
}

async fn nap(State(tasks): State<Tasks>, Path(ms): Path<u32>) -> Result<String, (StatusCode, String)> {
    tasks.nap.call((ms,)).await.map(|ms| ms.to_string()).map_err(refusal)
}

/// What a client is told: whose fault it was, and what happened.
fn refusal(error: CallError) -> (StatusCode, String) {
    let status = match &error {
        CallError::Returned(_) => StatusCode::UNPROCESSABLE_ENTITY,
        CallError::Pool(_) => StatusCode::SERVICE_UNAVAILABLE,
        CallError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args().skip(1);
    let (Some(markdown), Some(delays)) = (files.next(), files.next()) else {
        return Err("usage: embed MARKDOWN.wasm DELAYS.wasm".into());
    };
    let pool = Pool::builder(TaskModule::from_file(markdown).await?)
        .module("delays", TaskModule::from_file(delays).await?)
        .concurrency(256)
        .build()
        .await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let until_ctrl_c = async {
        // Without a handler the service could not be stopped in an orderly way, so it stops at once.
        let _ = tokio::signal::ctrl_c().await;
    };
    axum::serve(listener, service(Tasks::of(&pool)?)).with_graceful_shutdown(until_ctrl_c).await?;
    pool.close().await;
    Ok(())
}
