//! Types for tests, from WIT notation.
//!
//! The engine makes types only out of components, so the notation is translated into the text of a
//! component that imports a function with a parameter of the type. Such a function wants names for its
//! records, variants, enums and flags; each gets one. Mistakes in the notation are found by the engine.

use std::fmt::Write;
use std::sync::LazyLock;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Type};
use wasmtime::{Config, Engine};

/// Names of fields, cases and flags; some mean something in the JSON of other types.
pub(crate) const NAMES: [&str; 8] = ["a", "first-name", "ok", "err", "some", "null", "x1", "b-b-b"];

pub(crate) const KEY_TYPES: [&str; 11] =
    ["bool", "u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64", "char", "string"];

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = Config::new();
    config.wasm_component_model_map(true);
    config.wasm_component_model_fixed_length_lists(true);
    config.wasm_component_model_error_context(true);
    Engine::new(&config).expect("the engine of the tests opens")
});

/// Returns the type that is `text` in WIT notation.
pub(crate) fn ty(text: &str) -> Type {
    let mut reader = Reader { rest: text, definitions: String::new(), count: 0 };
    let root = reader.read_type();
    assert_eq!(reader.rest, "", "the notation ends with the type: {text}");
    let root = reader.define(&root);
    let import = format!("(import \"f\" (func (param \"x\" {root})))");
    let component = format!("(component {}{import})", reader.definitions);
    let component = wat::parse_str(&component).unwrap_or_else(|cause| panic!("{component}: {cause}"));
    let component = Component::new(&ENGINE, component).expect("the component is valid");
    let component_type = component.component_type();
    let import = component_type.get_import(&ENGINE, "f").expect("the function is imported");
    let ComponentItem::ComponentFunc(function) = import.ty else { panic!("the import is a function") };
    let (_, ty) = function.params().next().expect("the function has a parameter");
    ty
}

/// Reads the notation from left to right, and writes component text.
struct Reader<'a> {
    rest: &'a str,
    definitions: String,
    count: usize,
}

impl<'a> Reader<'a> {
    /// Reads one type, and returns it as an expression.
    fn read_type(&mut self) -> String {
        match self.read_word() {
            "list" => format!("(list {})", self.read_parts().join(" ")),
            "result" => match self.read_parts().as_slice() {
                [] => "(result)".to_owned(),
                [ok] => format!("(result {ok})"),
                [ok, err] if ok == "_" => format!("(result (error {err}))"),
                [ok, err, ..] => format!("(result {ok} (error {err}))"),
            },
            head @ ("map" | "tuple" | "option" | "stream" | "future") => {
                format!("({head} {})", self.read_parts().join(" "))
            }
            head @ ("own" | "borrow") => {
                let _ = self.read_parts();
                self.definitions.push_str("(import \"resource\" (type $resource (sub resource)))");
                format!("({head} $resource)")
            }
            head @ ("record" | "variant" | "enum" | "flags") => self.read_named(head),
            plain => plain.to_owned(),
        }
    }

    fn read_named(&mut self, head: &str) -> String {
        let mut members = String::new();
        assert!(self.read_sign("{"));
        while !self.read_sign("}") {
            let name = self.read_word();
            let payload = match head {
                "record" | "variant" if self.read_sign(":") || self.read_sign("(") => {
                    let payload = self.read_type();
                    self.define(&payload)
                }
                _ => String::new(),
            };
            let _ = self.read_sign(")") || self.read_sign(",");
            let _ = self.read_sign(",");
            match head {
                "record" => write!(members, "(field \"{name}\" {payload})"),
                "variant" => write!(members, "(case \"{name}\" {payload})"),
                _ => write!(members, "\"{name}\" "),
            }
            .expect("a string takes any text");
        }
        let definition = self.define(&format!("({head} {members})"));
        let imported = format!("$imported-{}", self.count);
        write!(self.definitions, "(import \"t{}\" (type {imported} (eq {definition})))", self.count)
            .expect("a string takes any text");
        imported
    }

    fn read_parts(&mut self) -> Vec<String> {
        let mut parts = Vec::new();
        if self.read_sign("<") {
            while !self.read_sign(">") {
                parts.push(self.read_type());
                let _ = self.read_sign(",");
            }
        }
        parts
    }

    /// Gives an expression a name, unless it is one.
    fn define(&mut self, expression: &str) -> String {
        if expression.starts_with('$') {
            return expression.to_owned();
        }
        self.count += 1;
        let name = format!("$defined-{}", self.count);
        write!(self.definitions, "(type {name} {expression})").expect("a string takes any text");
        name
    }

    fn read_word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        word
    }

    fn read_sign(&mut self, sign: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(sign) else { return false };
        self.rest = rest.trim_start();
        true
    }
}
