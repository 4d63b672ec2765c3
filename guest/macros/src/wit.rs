//! Writes the interface of a module as WIT text. Every name of the author is written `%name`, which makes keywords
//! of WIT ordinary names. Documentation is not written: the component format drops it; `section` carries it.

use std::fmt::Write as _;

use proc_macro2::Ident;

use crate::model::{Function, Module, Shape, Ty, TypeDef};

const TASK_ERROR: &str = "  record task-error { message: string, causes: list<string>, permanent: bool, \
                          retry-after-ms: option<u64> }\n";

/// Returns the package with one world, `world`, which offers `functions`. Worlds of one module are made one when it
/// is linked, and so are the types that they repeat.
pub(crate) fn world(module: &Module, functions: &[&Function], world: &str) -> String {
    let mut text = format!("package wasmpool-tasks:%{};\nworld {world} {{\n", module.name);
    if returns_task_error(functions) {
        text.push_str(TASK_ERROR);
    }
    for def in &module.types {
        text.push_str(&definition(module, def));
    }
    for function in functions {
        text.push_str(&export(module, function));
    }
    text.push_str("}\n");
    text
}

/// Returns true if the record `task-error` is part of what `functions` offer.
pub(crate) fn returns_task_error(functions: &[&Function]) -> bool {
    let mut wires = functions.iter().filter_map(|function| function.output.wire());
    wires.any(|wire| wire.any(&|ty| *ty == Ty::TaskError))
}

fn definition(module: &Module, def: &TypeDef) -> String {
    let (keyword, parts): (&str, Vec<String>) = match &def.shape {
        Shape::Record(fields) => (
            "record",
            fields.iter().map(|field| format!("%{}: {}", field.name, spelled(module, &field.ty))).collect(),
        ),
        Shape::Enum(cases) => ("enum", cases.iter().map(|case| format!("%{}", case.name)).collect()),
        Shape::Variant(cases) => {
            let case_text = |case: &crate::model::Case| match case.payload.as_slice() {
                [] => format!("%{}", case.name),
                [one] => format!("%{}({})", case.name, spelled(module, one)),
                many => format!("%{}({})", case.name, spelled(module, &Ty::Tuple(many.to_vec()))),
            };
            ("variant", cases.iter().map(case_text).collect())
        }
    };
    format!("  {keyword} %{} {{ {} }}\n", def.name, parts.join(", "))
}

fn export(module: &Module, function: &Function) -> String {
    let params: Vec<String> = function
        .params
        .iter()
        .map(|param| format!("%{}: {}", param.name, spelled(module, &param.ty)))
        .collect();
    let mut text = format!("  export %{}: ", function.name);
    if function.is_async {
        text.push_str("async ");
    }
    let _ = write!(text, "func({})", params.join(", "));
    if let Some(wire) = function.output.wire() {
        let _ = write!(text, " -> {}", spelled(module, &wire));
    }
    text.push_str(";\n");
    text
}

fn spelled(module: &Module, ty: &Ty) -> String {
    match ty {
        Ty::Number(name) => (*name).to_owned(),
        Ty::Text | Ty::Json | Ty::Queue => "string".to_owned(),
        Ty::List(item) => format!("list<{}>", spelled(module, item)),
        Ty::Option(inner) => format!("option<{}>", spelled(module, inner)),
        Ty::Tuple(items) => {
            let items: Vec<String> = items.iter().map(|item| spelled(module, item)).collect();
            format!("tuple<{}>", items.join(", "))
        }
        Ty::Result(None, None) => "result".to_owned(),
        Ty::Result(Some(ok), None) => format!("result<{}>", spelled(module, ok)),
        Ty::Result(None, Some(err)) => format!("result<_, {}>", spelled(module, err)),
        Ty::Result(Some(ok), Some(err)) => {
            format!("result<{}, {}>", spelled(module, ok), spelled(module, err))
        }
        Ty::Named(ident) => format!("%{}", name_of(module, ident)),
        Ty::TaskError => "task-error".to_owned(),
    }
}

/// Returns the wire name of the author's type `ident`.
pub(crate) fn name_of<'a>(module: &'a Module, ident: &Ident) -> &'a str {
    let def = module.types.iter().find(|def| def.ident == *ident);
    &def.expect("every named type was reached, so it is defined").name
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn world_of(source: &str) -> String {
        let mut item = syn::parse_str(source).expect("a mod");
        let module = parse::take_module(&mut item).expect("good tasks");
        let functions: Vec<_> = module.functions.iter().collect();
        super::world(&module, &functions, "tasks")
    }

    #[test]
    fn signatures_are_written_with_their_types() {
        let text = world_of(
            "mod status {
                pub struct User { name: String, r#type: Option<u8> }
                pub enum Problem { TooOld(u8), Pair(u8, i8), Gone }
                pub enum Colour { Red, Green }
                pub async fn check(user: User, colour: &str) -> Result<Vec<Colour>, Problem> { todo!() }
                fn helper(map: HashMap<u8, u8>) {}
            }",
        );
        assert_eq!(
            text,
            "package wasmpool-tasks:%status;\nworld tasks {\n  \
             record %user { %name: string, %type: option<u8> }\n  \
             variant %problem { %too-old(u8), %pair(tuple<u8, s8>), %gone }\n  \
             enum %colour { %red, %green }\n  \
             export %check: async func(%user: %user, %colour: string) -> result<list<%colour>, %problem>;\n}\n"
        );
    }

    #[test]
    fn state_stays_out_of_the_signature() {
        let text = world_of(
            "mod m {
                pub struct Session { client: Client }
                #[init] pub fn open_session(ms: u32) -> Result<Session, Error> { todo!() }
                pub fn get(session: &Session, url: String) -> Result<u16, Error> { todo!() }
                pub fn quiet() -> Result<(), ()> { todo!() }
            }",
        );
        assert!(text.contains("export %open-session: func(%ms: u32) -> result<_, task-error>;"), "{text}");
        assert!(text.contains("export %get: func(%url: string) -> result<u16, task-error>;"), "{text}");
        assert!(text.contains("export %quiet: func() -> result;"), "{text}");
        assert!(!text.contains("session {"), "{text}");
    }

    #[test]
    fn an_error_of_the_authors_own_goes_before_ours() {
        let text = world_of("mod m { pub enum Error { Bad } pub fn f() -> Result<u8, Error> { todo!() } }");
        assert!(text.contains("result<u8, %error>") && !text.contains("task-error"), "{text}");
    }
}
