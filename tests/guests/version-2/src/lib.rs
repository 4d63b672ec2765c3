//! Version 2 of a module that is replaced under load.

use std::cell::Cell;
use std::time::Duration;

use wasmpool_guest::{Error, bail, tasks, time};

/// A module of which there are two versions.
#[tasks]
mod versions {
    use super::*;

    /// What the initializer makes.
    pub struct Greeting {
        text: String,
        used: Cell<u32>,
    }

    /// Takes any text but `version 2 fails`.
    #[init]
    pub fn prepare(text: String) -> Result<Greeting, Error> {
        if text == "version 2 fails" {
            bail!("version 2 does not want to");
        }
        Ok(Greeting { text, used: Cell::new(0) })
    }

    /// What only this version has, and before the others.
    pub fn another() -> String {
        "another".to_owned()
    }

    /// What the initializer was given.
    pub fn greeting(greeting: &Greeting) -> String {
        greeting.text.clone()
    }

    /// The version, after `ms` milliseconds.
    pub async fn version(greeting: &Greeting, ms: u32) -> u32 {
        greeting.used.set(greeting.used.get() + 1);
        time::sleep(Duration::from_millis(ms.into())).await;
        2
    }

    /// Half of `n`, rounded down.
    pub fn halve(n: u32) -> Result<u32, Error> {
        Ok(n / 2)
    }
}
