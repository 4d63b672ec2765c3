//! Sends requests as it is told, and tells how they were answered. There is no HTTP here off wasm.

use wasmpool_guest::{Error, bail, tasks};

#[cfg(target_family = "wasm")]
mod by_0_2;
#[cfg(target_family = "wasm")]
mod by_0_3;

/// Fetches.
#[tasks]
mod fetch {
    use super::*;

    /// A request.
    pub struct Ask {
        pub method: String,
        /// Scheme and authority.
        pub origin: String,
        pub path: String,
        pub headers: Vec<(String, String)>,
        /// How long the body is; none if it is 0.
        pub body_bytes: u32,
        /// For the first byte, and between bytes; none if it is 0.
        pub timeout_ms: u32,
        /// For a connection; none if it is 0.
        pub connect_ms: u32,
    }

    /// An answer.
    pub struct Told {
        pub status: u16,
        pub location: Option<String>,
        pub body_bytes: u64,
        pub body_start: String,
    }

    /// Sends a request by WASI 0.3.
    pub async fn send(ask: Ask) -> Result<Told, Error> {
        by_0_3(ask).await
    }

    /// Sends a GET by WASI 0.3 and returns the status.
    pub async fn get(origin: String, path: String) -> Result<u16, Error> {
        Ok(by_0_3(simple(origin, path)).await?.status)
    }

    /// Follows one redirect, whose target is an origin and the path `/`.
    pub async fn follow(origin: String) -> Result<u16, Error> {
        let told = by_0_3(simple(origin, "/redirect".to_owned())).await?;
        let Some(location) = told.location else { bail!("no redirect") };
        Ok(by_0_3(simple(location, "/".to_owned())).await?.status)
    }

    /// Sends a request by WASI 0.2.
    pub async fn send_old(ask: Ask) -> Result<Told, Error> {
        by_0_2(ask)
    }

    /// Computes for some time and keeps its worker busy.
    pub async fn compute(rounds: u64) -> u64 {
        (0..rounds).fold(1, |value, round| std::hint::black_box(value ^ round).rotate_left(7))
    }
}

use fetch::{Ask, Told};

fn simple(origin: String, path: String) -> Ask {
    let (method, headers) = ("GET".to_owned(), Vec::new());
    Ask { method, origin, path, headers, body_bytes: 0, timeout_ms: 0, connect_ms: 0 }
}

#[cfg(target_family = "wasm")]
async fn by_0_3(ask: Ask) -> Result<Told, Error> {
    by_0_3::send(ask).await
}

#[cfg(target_family = "wasm")]
fn by_0_2(ask: Ask) -> Result<Told, Error> {
    by_0_2::send(ask)
}

#[cfg(not(target_family = "wasm"))]
async fn by_0_3(ask: Ask) -> Result<Told, Error> {
    by_0_2(ask)
}

#[cfg(not(target_family = "wasm"))]
fn by_0_2(ask: Ask) -> Result<Told, Error> {
    bail!("there is no HTTP here for {}", ask.origin)
}
