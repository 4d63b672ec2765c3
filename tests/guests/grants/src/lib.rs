//! Reaches for everything that can be granted, and tells what came of it. There is nothing here off wasm.

#[cfg(target_family = "wasm")]
mod guest;
