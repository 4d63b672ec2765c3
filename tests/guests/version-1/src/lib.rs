//! Version 1 of a module that is replaced under load.

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

    /// Takes any text but `version 1 fails`.
    #[init]
    pub fn prepare(text: String) -> Result<Greeting, Error> {
        if text == "version 1 fails" {
            bail!("version 1 does not want to");
        }
        Ok(Greeting { text, used: Cell::new(0) })
    }

    /// The version, after `ms` milliseconds.
    pub async fn version(greeting: &Greeting, ms: u32) -> u32 {
        greeting.used.set(greeting.used.get() + 1);
        time::sleep(Duration::from_millis(ms.into())).await;
        1
    }

    /// What the initializer was given.
    pub fn greeting(greeting: &Greeting) -> String {
        greeting.text.clone()
    }

    /// Half of `n`, which must be even.
    pub fn halve(n: u32) -> Result<u32, Error> {
        if n % 2 == 1 {
            bail!("version 1 cannot halve {n}");
        }
        Ok(n / 2)
    }
}
