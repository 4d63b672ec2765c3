//! JSON to component values and back, by type.
//!
//! What operators write and read is JSON; what a sandbox takes and gives are [`wasmtime::component::Val`]s.
//! This room translates between them, complains about what does not fit with its place in the input, and
//! prints types as WIT. It knows nothing of pools, files or command lines. The files stand in reading order.
//!
//! | component type | JSON |
//! |---|---|
//! | `bool`, `string` | as they are |
//! | `u8` … `s64` | a number, exact over the full range |
//! | `f32`, `f64` | a number, or `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | `char` | a string of one character |
//! | `list<u8>` | base64; an array of numbers is accepted too |
//! | `list<T>`, `list<T, N>`, `tuple<…>` | an array |
//! | `map<K, V>` | an object if keys are strings, else an array of `[key, value]` |
//! | `record { … }` | an object; fields of type `option` may be left out |
//! | `variant { … }` | `"case"`, or `{"case": payload}` |
//! | `enum { … }`, `flags { … }` | `"case"`; an array of names |
//! | `option<T>` | `null` or the value; `{"some": value}` where the value could itself be `null` |
//! | `result<T, E>` | `{"ok": …}` or `{"err": …}`, with `null` for no payload |
//!
//! Streams, futures, resources and error contexts are handles into one store and have no JSON.

#[cfg(any(test, fuzzing))]
pub(crate) mod testing;
// Words.
mod shorten;
mod type_text;
mod bad_value;
mod names;
// Types.
mod representable;
mod scalars;
mod size;
mod flat;
// The two directions.
mod to_json;
mod from_json;
// What operators write.
mod example;
mod arg;
mod args;
mod text;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod properties;

pub(crate) use arg::Arg;
pub(crate) use args::args_from_json;
pub use bad_value::BadValue;
pub(crate) use example::example;
pub(crate) use flat::Number;
#[cfg(any(test, fuzzing))]
pub(crate) use from_json::value_from_json;
pub(crate) use representable::check_representable;
pub(crate) use size::{JSON_CELL_BYTES, held_percent, size_as_json, size_of_values};
pub(crate) use text::{arg_from_text, bytes_arg};
pub(crate) use to_json::value_to_json;
pub(crate) use type_text::short_type_text;
