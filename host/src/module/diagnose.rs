//! Tells what a file is that is not a component, so the answer can be a sentence with a way out.
//! It only looks; a component passes and is judged by `survey`.

use wasmparser::{Parser, Payload};

use super::error::ModuleError;

/// Returns an error that says what `bytes` are, unless they claim to be a component.
///
/// # Errors
/// One of the kinds for things that are not components.
pub(crate) fn expect_component(bytes: &[u8]) -> Result<(), ModuleError> {
    if bytes.is_empty() {
        return Err(ModuleError::Empty);
    }
    if Parser::is_core_wasm(bytes) {
        return Err(kind_of_core_module(bytes));
    }
    // Anything else with the magic number is a component, cut short, or of a version the parser will name.
    if bytes.starts_with(b"\0asm") {
        return Ok(());
    }
    if bytes.starts_with(b"\x7fELF") && wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(ModuleError::Precompiled);
    }
    if is_text(bytes) {
        return Err(ModuleError::TextFormat);
    }
    let starts_with = bytes[..bytes.len().min(4)].escape_ascii().to_string();
    Err(ModuleError::NotWasm { starts_with })
}

/// Tells core modules apart. One that cannot be read to its end is judged by what came before.
fn kind_of_core_module(bytes: &[u8]) -> ModuleError {
    let (mut has_start, mut uses_wasi, mut carries_wit) = (false, false, false);
    for payload in Parser::new(0).parse_all(bytes).map_while(Result::ok) {
        match payload {
            Payload::CustomSection(section) => carries_wit |= section.name().starts_with("component-type"),
            Payload::ExportSection(exports) => {
                has_start |= exports.into_iter().flatten().any(|export| export.name == "_start");
            }
            Payload::ImportSection(imports) => {
                let mut imports = imports.into_imports().flatten();
                uses_wasi |= imports.any(|import| is_wasi_0_1(import.module));
            }
            _ => {}
        }
    }
    match (carries_wit, has_start && uses_wasi) {
        (true, _) => ModuleError::CoreWithWit,
        (false, true) => ModuleError::CoreCommand,
        (false, false) => ModuleError::CoreModule,
    }
}

fn is_wasi_0_1(module: &str) -> bool {
    matches!(module, "wasi_snapshot_preview1" | "wasi_unstable")
}

/// Returns true if the first word, after blanks and comments, is what WebAssembly text begins with.
fn is_text(bytes: &[u8]) -> bool {
    let mut rest = bytes.trim_ascii_start();
    while rest.starts_with(b";;") {
        let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        rest = rest[line..].trim_ascii_start();
    }
    let Some(inside) = rest.strip_prefix(b"(") else { return false };
    let inside = inside.trim_ascii_start();
    inside.starts_with(b"component") || inside.starts_with(b"module")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::engine::{EngineKind, compiling_engine};

    fn complaint(bytes: &[u8]) -> String {
        expect_component(bytes).unwrap_err().to_string()
    }

    fn core(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn a_script_is_shown_by_its_first_bytes() {
        assert!(
            complaint(b"#!/bin/sh").starts_with("it starts with `#!/b`; expected a WebAssembly component")
        );
        assert!(complaint(&[0xff, 0, b'\n']).contains("`\\xff\\x00\\n`"));
    }

    #[test]
    fn nothing_at_all_is_called_empty() {
        assert!(complaint(b"").contains("empty"));
    }

    #[test]
    fn text_is_sent_to_the_text_parser() {
        for text in ["(component)", "  ( module)", ";; a comment\n;; and more\n(component (core module))"] {
            assert!(complaint(text.as_bytes()).contains("wasm-tools parse"), "{text}");
        }
        assert!(matches!(expect_component(b";; only a comment"), Err(ModuleError::NotWasm { .. })));
    }

    #[test]
    fn a_wasi_0_1_command_is_told_from_other_core_modules() {
        let command = core(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (func (export "_start")))"#,
        );
        assert!(matches!(expect_component(&command), Err(ModuleError::CoreCommand)));
        assert!(matches!(expect_component(&core("(module)")), Err(ModuleError::CoreModule)));
        let bare_start = core(r#"(module (func (export "_start")))"#);
        assert!(matches!(expect_component(&bare_start), Err(ModuleError::CoreModule)));
        let with_wit = core(r#"(module (@custom "component-type:demo" "…"))"#);
        assert!(matches!(expect_component(&with_wit), Err(ModuleError::CoreWithWit)));
    }

    #[test]
    fn compiled_code_is_never_accepted() {
        let engine = compiling_engine(EngineKind::Plain);
        let code = engine.precompile_component(&core("(component)")).unwrap();
        assert!(matches!(expect_component(&code), Err(ModuleError::Precompiled)));
    }
}
