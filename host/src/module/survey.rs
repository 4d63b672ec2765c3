//! One walk over a component before it is compiled: is it whole, what does it import, does it need concurrency, would
//! compiling it take too long, and where are the `wasmpool:tasks` sections. Whether function bodies are valid is
//! left to the compiler.

use wasmparser::{
    BinaryReaderError, ComponentImport, ComponentTypeRef, Parser, Payload, ValidPayload, Validator,
    WasmFeatures,
};

use super::effort::Effort;
use super::error::ModuleError;
use super::instances::Instances;
use super::nesting::Nesting;

/// The name of the custom section in which the SDK records attributes and docs.
const TASK_SECTION: &str = "wasmpool:tasks";

/// What a component says about itself without being compiled.
#[derive(Debug)]
pub(crate) struct Survey<'a> {
    /// The instances and functions it imports, in its own order.
    pub(crate) imports: Vec<String>,
    /// The task sections of it and of everything nested in it.
    pub(crate) task_sections: Vec<&'a [u8]>,
    /// True if there is an async function, a stream or a future anywhere in it.
    pub(crate) needs_concurrency: bool,
}

/// Walks over `bytes`.
///
/// # Errors
/// [`ModuleError::Broken`] if a section cannot be read or contradicts another, [`ModuleError::TooNested`], or
/// what says that compiling it would take too long.
pub(crate) fn survey(bytes: &[u8]) -> Result<Survey<'_>, ModuleError> {
    let broken = |error: BinaryReaderError| ModuleError::Broken {
        offset: error.offset() as u64,
        length_bytes: bytes.len() as u64,
        source: error.into(),
    };
    let mut found = Survey { imports: Vec::new(), task_sections: Vec::new(), needs_concurrency: false };
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let (mut depth, mut nesting) = (0_usize, Nesting::default());
    let (mut instances, mut effort) = (Instances::default(), Effort::default());
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(broken)?;
        nesting.see(&payload, bytes)?;
        instances.see(&payload)?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(broken)? {
            effort.add(function, &body, bytes)?;
        }
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == TASK_SECTION => {
                found.task_sections.push(section.data());
            }
            Payload::ComponentImportSection(imports) if depth == 0 => {
                let names = imports.into_iter().flatten().filter_map(|import| callable_import(&import));
                found.imports.extend(names);
            }
            _ => {}
        }
    }
    effort.judge()?;
    found.needs_concurrency = !is_valid_without_concurrency(bytes);
    Ok(found)
}

fn callable_import(import: &ComponentImport<'_>) -> Option<String> {
    match import.ty {
        ComponentTypeRef::Instance(_) | ComponentTypeRef::Func(_) => Some(import.name.name.to_owned()),
        _ => None,
    }
}

/// Asks the very question an engine without concurrency support will ask: is this a component to you?
/// Called for components that are valid with all features, so a refusal is about concurrency.
fn is_valid_without_concurrency(bytes: &[u8]) -> bool {
    let concurrency = WasmFeatures::CM_ASYNC
        | WasmFeatures::CM_ASYNC_STACKFUL
        | WasmFeatures::CM_MORE_ASYNC_BUILTINS
        | WasmFeatures::CM_THREADING
        | WasmFeatures::CM_ERROR_CONTEXT;
    let mut validator = Validator::new_with_features(WasmFeatures::all() - concurrency);
    Parser::new(0)
        .parse_all(bytes)
        .all(|payload| payload.and_then(|payload| validator.payload(&payload).map(drop)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

    /// A section, its length in five bytes.
    fn section(id: u8, body: &[u8]) -> Vec<u8> {
        let length = [0, 7, 14, 21].map(|shift| (body.len() >> shift) as u8 & 0x7f | 0x80);
        [&[id], length.as_slice(), &[0], body].concat()
    }

    #[test]
    fn task_sections_are_found_at_every_depth() {
        let bytes = component(
            r#"(component
                 (core module (@custom "wasmpool:tasks" "one"))
                 (component (core module (@custom "wasmpool:tasks" "two")))
                 (@custom "wasmpool:tasks" "three")
                 (@custom "else" "four"))"#,
        );
        let sections = survey(&bytes).unwrap().task_sections;
        assert_eq!(sections, [b"one".as_slice(), b"two", b"three"]);
    }

    #[test]
    fn only_the_outermost_imports_count_and_types_do_not() {
        let bytes = component(
            r#"(component
                 (import "log" (func (param "line" string)))
                 (import "demo:raw/clock@1.2.3" (instance (export "now" (func (result u64)))))
                 (import "thing" (type (sub resource)))
                 (component (import "inner" (func))))"#,
        );
        assert_eq!(survey(&bytes).unwrap().imports, ["log", "demo:raw/clock@1.2.3"]);
    }

    #[test]
    fn concurrency_is_seen_wherever_it_hides() {
        for text in [
            r#"(component (import "f" (func async)))"#,
            r#"(component (import "f" (func (param "s" (stream u8)))))"#,
            r#"(component (import "i" (instance (export "f" (func (result (future)))))))"#,
            r#"(component (component (import "f" (func async))))"#,
            r#"(component (core func (canon waitable-set.new)))"#,
        ] {
            assert!(survey(&component(text)).unwrap().needs_concurrency, "{text}");
        }
        let plain = component(r#"(component (import "f" (func (param "s" (list u8)) (result string))))"#);
        assert!(!survey(&plain).unwrap().needs_concurrency);
    }

    #[test]
    fn instances_nested_too_deep_are_refused_before_the_validator_sees_them() {
        // The deepest type there may be makes the most of each level.
        let lists: String = (1..99).map(|i| format!("(type $t{i} (list $t{}))", i - 1)).collect();
        let nested = |levels: usize| {
            let instances: String =
                (0..levels).map(|i| format!("(instance (export \"a\" (instance {i})))")).collect();
            component(&format!(
                "(component (type $t0 (list u8)) {lists} (import \"f\" (func $f (param \"x\" $t98)))
                 (instance (export \"f\" (func $f))) {instances} (export \"a\" (instance {levels})))"
            ))
        };
        assert!(survey(&nested(16)).is_ok());
        for levels in [17, 500, 5_000] {
            assert!(matches!(survey(&nested(levels)), Err(ModuleError::TooNested { most_levels: 16 })));
        }
    }

    #[test]
    fn types_nested_too_deep_are_refused_before_the_parser_follows_them() {
        for begins_type in [0x41, 0x42] {
            let nested = |levels: usize| {
                let declarations = [begins_type, 1, 1].repeat(levels);
                let body = [&[1], declarations.as_slice(), &[0x7f]].concat();
                [HEADER, &section(7, &body)].concat()
            };
            assert!(survey(&nested(16)).is_ok());
            for levels in [17, 10_000, 1_000_000] {
                assert!(matches!(survey(&nested(levels)), Err(ModuleError::TooNested { .. })), "{levels}");
            }
        }
    }

    #[test]
    fn types_that_hold_each_other_are_refused_before_the_validator_counts_them() {
        for kind in ["instance", "component"] {
            let chained = |levels: usize| {
                let types: String = (1..=levels)
                    .map(|i| format!("(type $t{i} ({kind} (export \"a\" ({kind} (type $t{})))))", i - 1))
                    .collect();
                component(&format!("(component (type $t0 ({kind})) {types})"))
            };
            assert!(survey(&chained(16)).is_ok());
            for levels in [17, 300] {
                assert!(matches!(survey(&chained(levels)), Err(ModuleError::TooNested { .. })), "{levels}");
            }
        }
    }

    #[test]
    fn components_nested_too_deep_are_refused() {
        // The text parser does not nest so deep.
        let around = |inner: Vec<u8>, _| [HEADER, &section(4, &inner)].concat();
        assert!(survey(&(1..100).fold(HEADER.to_vec(), around)).is_ok());
        let survey = survey(&(1..101).fold(HEADER.to_vec(), around)).map(drop);
        assert!(matches!(survey, Err(ModuleError::TooNested { most_levels: 100 })));
    }

    #[test]
    fn a_component_cut_short_says_so_and_a_damaged_one_says_where() {
        let whole = component(r#"(component (import "log" (func (param "line" string))) (core module))"#);
        for length in 5..whole.len() {
            match survey(&whole[..length]) {
                // A cut between two sections leaves a smaller, whole component.
                Ok(_) => {}
                Err(ModuleError::Broken { offset, length_bytes, .. }) => {
                    assert!(offset <= length_bytes && length_bytes == length as u64);
                }
                Err(other) => panic!("{other}"),
            }
        }
        let message = survey(&whole[..whole.len() - 1]).unwrap_err().to_string();
        assert!(message.contains("component") && message.contains("at byte"), "{message}");
        let mut damaged = whole;
        damaged[8] = 0xee;
        let message = survey(&damaged).unwrap_err().to_string();
        assert!(message.starts_with("it is a damaged component at byte "), "{message}");
    }
}
