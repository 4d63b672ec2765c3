//! Values that travel as JSON text, for types that no interface can describe.

use std::ops::{Deref, DerefMut};

/// Any serde type; it travels as a string of JSON.
///
/// For maps, recursive types, and types of other crates. A parameter needs `Deserialize`, a result `Serialize`. Text
/// that does not fit `T` is answered with a permanent error if the task returns `Result<_, Error>`; any other task
/// has no way to say so and panics.
///
/// ```
/// use std::collections::BTreeMap;
/// use wasmpool_guest::{Json, tasks};
///
/// #[tasks]
/// mod words {
///     use super::*;
///
///     /// How often each word occurs in `text`.
///     pub fn frequencies(text: &str) -> Json<BTreeMap<String, u32>> {
///         let mut counts = BTreeMap::new();
///         for word in text.split_whitespace() {
///             *counts.entry(word.to_lowercase()).or_default() += 1;
///         }
///         Json(counts)
///     }
/// }
/// # fn main() { assert_eq!(words::frequencies("so so")["so"], 2); }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Json<T>(pub T);

impl<T> Json<T> {
    /// Returns the value inside.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Json<T> {
    fn from(value: T) -> Self {
        Json(value)
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
