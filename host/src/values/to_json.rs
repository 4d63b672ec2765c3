//! From component values to JSON, by type.
//!
//! The type is asked where the value alone does not tell: whether an empty list is bytes, and whether
//! an option must show its `some`. The engine lifts values by their type, so a value of another type
//! is our own mistake and not an error anyone could handle.

use crate::values::flat::Number;
use crate::values::scalars::{base64_of, float32_to_json, float64_to_json};
use crate::values::type_text::short_type_text;
use serde_json::{Map as JsonObject, Value as Json};
use wasmtime::component::types::{Map, OptionType, Record, ResultType, Variant};
use wasmtime::component::{Type, Val};

/// Returns the JSON of `value`, which is of type `ty`. The value goes away part by part, and its texts become those
/// of the JSON, so that the two are never there in full.
///
/// # Panics
///
/// If it is not, or if `ty` has no JSON (`check_representable` tells).
pub(crate) fn value_to_json(ty: &Type, value: Val) -> Json {
    match (ty, value) {
        (Type::Bool, Val::Bool(value)) => Json::from(value),
        (Type::S8, Val::S8(value)) => Json::from(value),
        (Type::U8, Val::U8(value)) => Json::from(value),
        (Type::S16, Val::S16(value)) => Json::from(value),
        (Type::U16, Val::U16(value)) => Json::from(value),
        (Type::S32, Val::S32(value)) => Json::from(value),
        (Type::U32, Val::U32(value)) => Json::from(value),
        (Type::S64, Val::S64(value)) => Json::from(value),
        (Type::U64, Val::U64(value)) => Json::from(value),
        (Type::Float32, Val::Float32(value)) => float32_to_json(value),
        (Type::Float64, Val::Float64(value)) => float64_to_json(value),
        (Type::Char, Val::Char(value)) => Json::from(value.to_string()),
        (Type::String, Val::String(value)) => Json::from(value),
        (Type::List(list), Val::List(items)) => match list.ty() {
            Type::U8 => bytes_to_json(&items),
            element => items.into_iter().map(|item| value_to_json(&element, item)).collect(),
        },
        (Type::FixedLengthList(list), Val::FixedLengthList(items)) => {
            let element = list.ty();
            items.into_iter().map(|item| value_to_json(&element, item)).collect()
        }
        (Type::Map(map), Val::Map(pairs)) => map_to_json(map, pairs),
        (Type::Record(record), Val::Record(fields)) => record_to_json(record, fields),
        (Type::Tuple(tuple), Val::Tuple(items)) => {
            tuple.types().zip(items).map(|(ty, item)| value_to_json(&ty, item)).collect()
        }
        (Type::Variant(variant), Val::Variant(name, payload)) => {
            variant_to_json(variant, name, payload.map(|payload| *payload))
        }
        (Type::Enum(_), Val::Enum(name)) => Json::from(name),
        (Type::Option(option), Val::Option(value)) => option_to_json(option, value.map(|value| *value)),
        (Type::Result(result), Val::Result(value)) => result_to_json(result, value),
        (Type::Flags(_), Val::Flags(names)) => names.into_iter().collect(),
        (ty, value) => {
            unreachable!("{} is not the type of {value:?}, or has no JSON", short_type_text(ty))
        }
    }
}

fn bytes_to_json(items: &[Val]) -> Json {
    let byte = |item| u8::of_val(item).expect("a list of u8 holds u8 only");
    Json::from(base64_of(&items.iter().map(byte).collect::<Vec<u8>>()))
}

/// Of several entries with one key an object keeps the last, which is the one that counts in a map too.
fn map_to_json(map: &Map, pairs: Vec<(Val, Val)>) -> Json {
    let (key_type, value_type) = (map.key(), map.value());
    let mut object = JsonObject::new();
    let mut array = Vec::new();
    for (key, value) in pairs {
        let value = value_to_json(&value_type, value);
        match (&key_type, key) {
            (Type::String, Val::String(key)) => drop(object.insert(key, value)),
            (_, key) => array.push(Json::from([value_to_json(&key_type, key), value])),
        }
    }
    if key_type == Type::String { Json::Object(object) } else { Json::Array(array) }
}

fn record_to_json(record: &Record, fields: Vec<(String, Val)>) -> Json {
    let member = |(field, (name, value)): (wasmtime::component::types::Field<'_>, (String, Val))| {
        (name, value_to_json(&field.ty, value))
    };
    Json::Object(record.fields().zip(fields).map(member).collect())
}

fn variant_to_json(variant: &Variant, name: String, payload: Option<Val>) -> Json {
    let case = variant.cases().find(|case| case.name == name).expect("a value has a case of its type");
    match (case.ty, payload) {
        (Some(ty), Some(payload)) => object_of_one(name, value_to_json(&ty, payload)),
        _ => Json::from(name),
    }
}

fn option_to_json(option: &OptionType, value: Option<Val>) -> Json {
    match (option.ty(), value) {
        (_, None) => Json::Null,
        (inner @ Type::Option(_), Some(value)) => {
            object_of_one("some".to_owned(), value_to_json(&inner, value))
        }
        (inner, Some(value)) => value_to_json(&inner, value),
    }
}

fn result_to_json(result: &ResultType, value: Result<Option<Box<Val>>, Option<Box<Val>>>) -> Json {
    let (name, ty, payload) = match value {
        Ok(payload) => ("ok", result.ok(), payload),
        Err(payload) => ("err", result.err(), payload),
    };
    let json = match (ty, payload) {
        (Some(ty), Some(payload)) => value_to_json(&ty, *payload),
        _ => Json::Null,
    };
    object_of_one(name.to_owned(), json)
}

fn object_of_one(name: String, value: Json) -> Json {
    Json::Object(JsonObject::from_iter([(name, value)]))
}

#[cfg(test)]
mod tests {
    use super::value_to_json;
    use crate::values::testing::ty;
    use serde_json::{Value as Json, json};
    use wasmtime::component::Val;

    fn some(value: Val) -> Val {
        Val::Option(Some(Box::new(value)))
    }

    #[test]
    fn an_option_shows_its_some_only_where_null_could_be_either() {
        let nested = ty("option<option<u8>>");
        for (value, json) in [
            (Val::Option(None), json!(null)),
            (some(Val::Option(None)), json!({"some": null})),
            (some(some(Val::U8(3))), json!({"some": 3})),
        ] {
            assert_eq!(value_to_json(&nested, value), json);
        }
        assert_eq!(value_to_json(&ty("option<u8>"), some(Val::U8(3))), json!(3));
        let empty = some(Val::List(vec![]));
        assert_eq!(value_to_json(&ty("option<list<string>>"), empty), json!([]));
    }

    #[test]
    fn results_and_variants_are_objects_of_one() {
        let unit = Val::Result(Ok(None));
        assert_eq!(value_to_json(&ty("result"), unit), json!({"ok": null}));
        let err = Val::Result(Err(Some(Box::new(Val::Bool(true)))));
        assert_eq!(value_to_json(&ty("result<_, bool>"), err), json!({"err": true}));
        let variant = ty("variant { all, only(option<u8>) }");
        assert_eq!(value_to_json(&variant, Val::Variant("all".into(), None)), json!("all"));
        let only = Val::Variant("only".into(), Some(Box::new(Val::Option(None))));
        assert_eq!(value_to_json(&variant, only), json!({"only": null}));
    }

    #[test]
    fn maps_are_objects_if_their_keys_are_strings() {
        let pair = |key: &str, value| (Val::String(key.to_owned()), Val::U8(value));
        let by_name = Val::Map(vec![pair("b", 1), pair("a", 2), pair("b", 3)]);
        assert_eq!(value_to_json(&ty("map<string, u8>"), by_name).to_string(), r#"{"b":3,"a":2}"#);
        assert_eq!(value_to_json(&ty("map<string, u8>"), Val::Map(vec![])), json!({}));
        let by_number = Val::Map(vec![(Val::U64(u64::MAX), Val::Bool(true))]);
        let json = value_to_json(&ty("map<u64, bool>"), by_number);
        assert_eq!(json.to_string(), "[[18446744073709551615,true]]");
    }

    #[test]
    fn an_empty_list_of_bytes_is_text_all_the_same() {
        assert_eq!(value_to_json(&ty("list<u8>"), Val::List(vec![])), json!(""));
        assert_eq!(value_to_json(&ty("list<s8>"), Val::List(vec![])), Json::Array(vec![]));
        let fixed = Val::FixedLengthList(vec![Val::U8(1), Val::U8(2)]);
        assert_eq!(value_to_json(&ty("list<u8, 2>"), fixed), json!([1, 2]));
    }
}
