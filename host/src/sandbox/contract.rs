//! The bindings of `wasmpool:host` (guest/wit), which the SDK makes from the same files.

wasmtime::component::bindgen!({
    path: "../guest/wit",
    world: "guest",
    imports: { default: store | trappable },
});
