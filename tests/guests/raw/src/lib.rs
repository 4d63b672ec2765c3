//! A component made with plain bindings, without the SDK: an interface, a resource, flags, streams and futures. There
//! is nothing here off wasm.

#[cfg(target_family = "wasm")]
mod guest;
