//! Says which imports of a component nobody provides, all by name, where the engine would name the first.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance};

use crate::sandbox::state::SandboxState;

/// So many are named, the others counted.
const NAMED: usize = 5;

/// A name longer than this is cut.
const NAME_CHARS: usize = 120;

/// What stands in a linker for a range of versions.
const PROVIDED_VERSIONS: [(&str, &str, &str); 3] =
    [("wasi:", "@0.2.", "@0.2.12"), ("wasi:", "@0.3.", "@0.3.0"), ("wasmpool:", "@0.1.", "@0.1.0")];

/// Returns why a component cannot be linked: what is missing, or what the engine said where nothing is.
pub(crate) fn why_not_linked(
    linker: &Linker<SandboxState>,
    component: &Component,
    error: &wasmtime::Error,
) -> String {
    let missing = missing_imports(&mut linker.clone(), component, component.engine());
    if missing.is_empty() {
        return format!("{error:#}");
    }
    let named: Vec<_> = missing.iter().take(NAMED).map(|name| shown(name)).collect();
    let more = match missing.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {} more", with_commas(more)),
    };
    format!(
        "it imports what nobody provides: {}{more}; provide it with PoolBuilder::import, compose the component with \
         one that exports it (`wac plug` or `wasm-tools compose`), or see whether a newer wasmpool has it",
        named.join(", ")
    )
}

/// Finds what a linker lacks, by trying to define it: what is there cannot be defined again. The linker is good for
/// nothing after that.
fn missing_imports(linker: &mut Linker<SandboxState>, component: &Component, engine: &Engine) -> Vec<String> {
    linker.allow_shadowing(false);
    let mut missing = Vec::new();
    for (name, item) in component.component_type().imports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(_) if !has_func(&mut linker.root(), name) => {
                missing.push(name.to_owned())
            }
            ComponentItem::ComponentInstance(instance) => {
                let funcs = instance.exports(engine).filter_map(|(func, item)| {
                    matches!(item.ty, ComponentItem::ComponentFunc(_)).then_some(func)
                });
                let funcs: Vec<_> = funcs.collect();
                let lacking: Vec<_> =
                    funcs.iter().filter(|func| !instance_has_func(linker, name, func)).collect();
                if lacking.len() == funcs.len() && !funcs.is_empty() {
                    missing.push(name.to_owned());
                } else {
                    missing.extend(lacking.iter().map(|func| format!("{name}#{func}")));
                }
            }
            _ => {}
        }
    }
    missing
}

fn instance_has_func(linker: &mut Linker<SandboxState>, name: &str, func: &str) -> bool {
    let provided = PROVIDED_VERSIONS.iter().find_map(|(package, track, version)| {
        let (interface, _) = name.split_once(track).filter(|_| name.starts_with(package))?;
        Some(format!("{interface}{version}"))
    });
    let mut names = std::iter::once(name).chain(provided.as_deref());
    names.any(|name| linker.instance(name).is_ok_and(|mut instance| has_func(&mut instance, func)))
}

fn has_func(instance: &mut LinkerInstance<'_, SandboxState>, func: &str) -> bool {
    instance.func_new(func, |_, _, _, _| Ok(())).is_err()
}

/// Names come from whoever made the component.
fn shown(name: &str) -> String {
    let cut: String = name.chars().take(NAME_CHARS).flat_map(char::escape_debug).collect();
    let dots = if name.chars().nth(NAME_CHARS).is_some() { "…" } else { "" };
    format!("`{cut}{dots}`")
}

fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::EngineKind;
    use crate::sandbox::imports::linker;
    use crate::sandbox::own_imports::OwnImports;

    fn reason(text: &str) -> String {
        let engine = Engine::default();
        let component = Component::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let linker = linker(&engine, EngineKind::Concurrent, &OwnImports::default()).unwrap();
        let error = linker.instantiate_pre(&component).err().expect("something is missing");
        why_not_linked(&linker, &component, &error)
    }

    #[test]
    fn interfaces_and_single_functions_are_named_and_what_is_provided_is_not() {
        let reason = reason(
            r#"(component
                (import "wasi:cli/environment@0.2.1" (instance
                    (export "get-arguments" (func (result (list string))))
                    (export "get-weather" (func (result string)))))
                (import "wasi:random/random@0.3.1" (instance (export "get-random-u64" (func (result u64)))))
                (import "acme:db/query@1.0.0" (instance (export "one" (func)) (export "two" (func))))
                (import "log" (func)))"#,
        );
        let expected = "it imports what nobody provides: `wasi:cli/environment@0.2.1#get-weather`, \
                        `acme:db/query@1.0.0`, `log`; provide it with PoolBuilder::import";
        assert!(reason.starts_with(expected), "{reason}");
    }

    #[test]
    fn ten_thousand_imports_are_counted() {
        let imports: String = (0..10_000).map(|number| format!(r#"(import "a{number}" (func))"#)).collect();
        let reason = reason(&format!("(component {imports})"));
        assert!(reason.contains("`a4` and 9,995 more; ") && reason.len() < 500, "{reason}");
    }
}
