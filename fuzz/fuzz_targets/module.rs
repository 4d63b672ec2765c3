//! Whatever a file is, loading it as a module is an answer or an error. Bytes that do not claim to be WebAssembly are
//! also tried behind the header of a component, and as the seed of a component that is well-formed but odd.

#![no_main]

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use wasm_smith::{Component, Config};
use wasmpool::fuzzing::module;

/// What a component begins with: the magic number, its version, its layer.
const COMPONENT_HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

fuzz_target!(|bytes: &[u8]| {
    module(bytes);
    if bytes.starts_with(b"\0asm") {
        return;
    }
    module(&[COMPONENT_HEADER, bytes].concat());
    if let Ok(odd) = Component::new(Config::default(), &mut Unstructured::new(bytes)) {
        module(&odd.to_bytes());
    }
});
