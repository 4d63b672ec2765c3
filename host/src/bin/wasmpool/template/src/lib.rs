//! Tasks for a pool of sandboxed workers. Every `pub fn` in the `mod` below is one.
//!
//! Try it: `wasmpool run . greet Ada`, and `cargo test` for the tests.

use wasmpool_guest::tasks;

/// Greets people.
#[tasks]
mod greetings {
    /// A greeting for `name`.
    pub async fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }
}

#[cfg(test)]
mod tests {
    use super::greetings::greet;
    use wasmpool_guest::testing::block_on;

    #[test]
    fn a_greeting_names_the_greeted() {
        assert_eq!(block_on(greet("Ada".to_owned())), "Hello, Ada!");
    }
}
