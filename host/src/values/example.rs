//! A small typical value of a type, for command lines that work when pasted.

use serde_json::{Map as JsonObject, Value as Json, json};
use wasmtime::component::Type;
use wasmtime::component::types::Variant;

/// How many items the examples of fixed-length lists have in all. A type of a few bytes may ask for
/// billions; nobody pastes those, and the example is too short then.
const MOST_FIXED_ITEMS: usize = 256;

/// Returns a small value of `ty` as JSON.
///
/// # Panics
///
/// If `ty` has no JSON; `check_representable` tells.
pub(crate) fn example(ty: &Type) -> Json {
    example_within(ty, &mut { MOST_FIXED_ITEMS })
}

fn example_within(ty: &Type, fixed_items_left: &mut usize) -> Json {
    match ty {
        Type::Bool => json!(true),
        Type::S8 | Type::S16 | Type::S32 | Type::S64 => json!(1),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => json!(1),
        Type::Float32 | Type::Float64 => json!(1.5),
        Type::Char => json!("c"),
        Type::String => json!("text"),
        Type::List(list) if list.ty() == Type::U8 => json!("aGVsbG8="),
        Type::List(list) => json!([example_within(&list.ty(), fixed_items_left)]),
        Type::FixedLengthList(list) => {
            let shown = (list.len() as usize).min(*fixed_items_left);
            *fixed_items_left -= shown;
            (0..shown).map(|_| example_within(&list.ty(), fixed_items_left)).collect()
        }
        Type::Map(map) => match (map.key(), example_within(&map.value(), fixed_items_left)) {
            (Type::String, value) => json!({"key": value}),
            (key, value) => json!([[example_within(&key, fixed_items_left), value]]),
        },
        Type::Record(record) => {
            let field = |name: &str, ty: &Type, left: &mut usize| (name.to_owned(), example_within(ty, left));
            let fields = record.fields().map(|f| field(f.name, &f.ty, fixed_items_left));
            Json::Object(JsonObject::from_iter(fields))
        }
        Type::Tuple(tuple) => tuple.types().map(|ty| example_within(&ty, fixed_items_left)).collect(),
        Type::Variant(variant) => variant_example(variant, fixed_items_left),
        Type::Enum(names) => names.names().next().into(),
        Type::Option(option) => match (option.ty(), example_within(&option.ty(), fixed_items_left)) {
            (Type::Option(_), value) => json!({"some": value}),
            (_, value) => value,
        },
        Type::Result(result) => json!({"ok": result.ok().map(|ty| example_within(&ty, fixed_items_left))}),
        Type::Flags(flags) => flags.names().take(1).collect(),
        Type::Own(_) | Type::Borrow(_) | Type::Future(_) | Type::Stream(_) | Type::ErrorContext => {
            panic!("handles have no JSON, which check_representable tells")
        }
    }
}

fn variant_example(variant: &Variant, fixed_items_left: &mut usize) -> Json {
    let case = variant.cases().next().expect("a variant without cases is refused by the engine");
    match case.ty {
        None => json!(case.name),
        Some(ty) => {
            let payload = example_within(&ty, fixed_items_left);
            Json::Object(JsonObject::from_iter([(case.name.to_owned(), payload)]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::example;
    use crate::values::testing::ty;

    #[test]
    fn examples_are_small_and_typical() {
        for (text, json) in [
            ("list<u8>", r#""aGVsbG8=""#),
            ("list<u16>", "[1]"),
            ("list<bool, 2>", "[true,true]"),
            ("map<string, f32>", r#"{"key":1.5}"#),
            ("map<char, f64>", r#"[["c",1.5]]"#),
            ("record { name: string, age: option<u8> }", r#"{"name":"text","age":1}"#),
            ("option<option<tuple<s8>>>", r#"{"some":[1]}"#),
            ("result", r#"{"ok":null}"#),
            ("result<string, u8>", r#"{"ok":"text"}"#),
            ("variant { only(u8), all }", r#"{"only":1}"#),
            ("enum { red, green }", r#""red""#),
            ("flags { read, write }", r#"["read"]"#),
        ] {
            assert_eq!(example(&ty(text)).to_string(), json, "{text}");
        }
    }

    #[test]
    fn examples_of_enormous_types_stay_small() {
        let enormous = ty("list<list<list<u64, 100>, 100>, 10000>");
        assert!(example(&enormous).to_string().len() < 10_000);
    }
}
