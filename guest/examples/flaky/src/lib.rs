//! Tasks that fail now and then, and what helps: trying again by itself, or with better arguments.
//!
//! ```text
//! seq -f 'worker-%g' 0 4 | wasmpool map guest/examples/flaky worker --lines --values
//! printf '%s\n' 4 -9 16 | wasmpool map guest/examples/flaky square-root --failed-input again.jsonl
//! ```

use wasmpool_guest::tasks;

/// Fails now and then.
#[tasks]
mod flaky {
    use std::time::Duration;

    use wasmpool_guest::{Error, bail, time};

    /// Why a number has no square root.
    pub enum Trouble {
        /// It is below zero.
        Negative(f64),
        /// It is no number.
        NotANumber,
    }

    /// Waits, then fails four times out of ten. The pool tries it again: up to 3 attempts, with pauses in between.
    #[retry]
    pub async fn worker(name: String) -> Result<f64, Error> {
        time::sleep(Duration::from_millis(300)).await;
        let value = fastrand::f64();
        if value > 0.6 {
            println!("{name} will return an error");
            bail!("something went wrong");
        }
        Ok(value)
    }

    /// Square root of `number`. A negative number is its caller's to mend, so it is not tried again.
    pub async fn square_root(number: f64) -> Result<f64, Trouble> {
        time::sleep(Duration::from_millis(1)).await;
        if number.is_nan() {
            return Err(Trouble::NotANumber);
        }
        if number < 0.0 { Err(Trouble::Negative(number)) } else { Ok(number.sqrt()) }
    }
}

#[cfg(test)]
mod tests {
    use super::flaky::{self, Trouble};
    use wasmpool_guest::testing::block_on;

    #[test]
    fn roots_are_exact_and_what_has_none_says_why() {
        assert!(matches!(block_on(flaky::square_root(16.0)), Ok(4.0)));
        assert!(matches!(block_on(flaky::square_root(-9.0)), Err(Trouble::Negative(-9.0))));
        assert!(matches!(block_on(flaky::square_root(f64::NAN)), Err(Trouble::NotANumber)));
    }

    #[test]
    fn a_worker_returns_a_number_or_an_error() {
        match block_on(flaky::worker("worker-0".to_owned())) {
            Ok(value) => assert!((0.0..=0.6).contains(&value)),
            Err(error) => assert_eq!(error.to_string(), "something went wrong"),
        }
    }
}
