//! An argument from text, as it stands on a command line.
//!
//! Quoting JSON for a shell is a nuisance, so what can be said without is: a `string` parameter takes the
//! text as it is, a `char` takes a text of one character, cases of enums and variants and the names of
//! infinite floats need no quotes. `null` is none for any `option`, of a string too, and any other text is
//! the value. All else is JSON. Reading files is the caller's; raw bytes have their own way in.

use crate::values::arg::Arg;
use crate::values::bad_value::BadValue;
use crate::values::example::example;
use crate::values::flat::FlatList;
use crate::values::from_json::value_from_json;
use crate::values::scalars::only_char;
use crate::values::shorten::{shorten, shorten_json};
use crate::values::type_text::short_type_text;
use serde_json::Value as Json;
use wasmtime::component::{Type, Val};

/// Returns the value of the parameter `name` that `text` stands for.
///
/// # Errors
///
/// Why it does not stand for one; the place begins with `name`.
pub(crate) fn arg_from_text(name: &str, ty: &Type, text: &str) -> Result<Arg, BadValue> {
    let arg = match ty {
        Type::List(_) => json_from_text(ty, text).and_then(|json| Arg::from_json(ty, &json)),
        _ => value_from_text(ty, text).map(Arg::Val),
    };
    arg.map_err(|bad| bad.rooted_at(name))
}

/// Returns `bytes` as they are if `ty` is `list<u8>` or an option of it.
///
/// # Errors
///
/// `bytes` again, if it is neither.
pub(crate) fn bytes_arg(ty: &Type, bytes: Vec<u8>) -> Result<Arg, Vec<u8>> {
    match ty {
        Type::List(list) if list.ty() == Type::U8 => Ok(Arg::List(FlatList::U8(bytes))),
        Type::Option(option) => {
            bytes_arg(&option.ty(), bytes).map(|arg| Arg::Val(Val::Option(Some(Box::new(arg.to_val())))))
        }
        _ => Err(bytes),
    }
}

fn value_from_text(ty: &Type, text: &str) -> Result<Val, BadValue> {
    match (ty, only_char(text)) {
        (Type::String, _) => Ok(Val::String(text.to_owned())),
        (Type::Char, Some(only)) => Ok(Val::Char(only)),
        (Type::Option(option), _) => match option.ty() {
            Type::Option(_) => value_from_json_text(ty, text),
            inner if is_null(&inner, text) => Ok(Val::Option(None)),
            inner => value_from_text(&inner, text).map(|value| Val::Option(Some(Box::new(value)))),
        },
        (Type::Enum(_) | Type::Variant(_) | Type::Float32 | Type::Float64, _) => {
            value_from_bare_name(ty, text)
        }
        _ => value_from_json_text(ty, text),
    }
}

/// A string is the text to the last space; around JSON space means nothing.
fn is_null(inner: &Type, text: &str) -> bool {
    "null" == if *inner == Type::String { text } else { text.trim() }
}

/// Takes a name with or without quotes, or other JSON.
fn value_from_bare_name(ty: &Type, text: &str) -> Result<Val, BadValue> {
    let is_meant_as_json = text.trim_start().starts_with(['"', '{', '[']);
    match value_from_json(ty, &Json::from(text.trim())) {
        Err(bad_name) if !is_meant_as_json && serde_json::from_str::<Json>(text).is_err() => Err(bad_name),
        Err(_) => value_from_json_text(ty, text),
        named => named,
    }
}

fn value_from_json_text(ty: &Type, text: &str) -> Result<Val, BadValue> {
    value_from_json(ty, &json_from_text(ty, text)?)
}

fn json_from_text(ty: &Type, text: &str) -> Result<Json, BadValue> {
    serde_json::from_str(text).map_err(|cause| {
        let (ty, example, text) = (short_type_text(ty), shorten_json(&example(ty)), shorten(text));
        BadValue::new(format!("expected {ty} as JSON such as {example}, found {text:?}: {cause}"))
    })
}

#[cfg(test)]
mod tests {
    use super::{arg_from_text, bytes_arg};
    use crate::values::testing::ty;
    use serde_json::{Value as Json, json};

    fn arg(text_of_type: &str, text: &str) -> Result<Json, String> {
        let ty = ty(text_of_type);
        arg_from_text("x", &ty, text).map(|arg| arg.to_json(&ty)).map_err(|bad| bad.to_string())
    }

    #[test]
    fn text_needs_quotes_only_where_json_does() {
        for (ty, text, taken) in [
            ("string", r#" "a" "#, json!(r#" "a" "#)),
            ("string", "", json!("")),
            ("option<string>", "null", json!(null)),
            ("option<string>", " null", json!(" null")),
            ("option<string>", "a", json!("a")),
            ("char", "\"", json!("\"")),
            ("char", "1", json!("1")),
            ("char", r#""a""#, json!("a")),
            ("option<char>", "a", json!("a")),
            ("enum { red, light-green }", "red", json!("red")),
            ("enum { red, light-green }", "light_green\n", json!("light-green")),
            ("enum { red, light-green }", r#""red""#, json!("red")),
            ("option<enum { red }>", "null", json!(null)),
            ("variant { all, only(u8) }", "all", json!("all")),
            ("variant { all, only(u8) }", r#"{"only": 1}"#, json!({"only": 1})),
            ("f32", "-inf", json!("-Infinity")),
            ("f64", "1.5", json!(1.5)),
            ("u64", "18446744073709551615", json!(u64::MAX)),
            ("bool", " true\n", json!(true)),
            ("option<u8>", " null\n", json!(null)),
            ("option<option<u8>>", r#"{"some": 1}"#, json!({"some": 1})),
            ("list<u8>", r#""AQI""#, json!("AQI=")),
            ("list<u8>", "[1, 2]", json!("AQI=")),
            ("list<string>", r#"["a"]"#, json!(["a"])),
        ] {
            assert_eq!(arg(ty, text), Ok(taken), "{ty} from {text}");
        }
    }

    #[test]
    fn text_that_is_no_json_is_answered_with_an_example() {
        for (ty, text, complaint) in [
            (
                "list<string>",
                "a,b",
                r#"x: expected list<string> as JSON such as ["text"], found "a,b": expected value at line 1 column 1"#,
            ),
            (
                "list<u8>",
                "AQI=",
                r#"x: expected list<u8> as JSON such as "aGVsbG8=", found "AQI=": expected value at line 1 column 1"#,
            ),
            (
                "variant { all, only(u8) }",
                r#"{"only": }"#,
                r#"x: expected variant { all, only(u8) } as JSON such as "all", found "{\"only\": }": expected value at line 1 column 10"#,
            ),
        ] {
            assert_eq!(arg(ty, text).unwrap_err(), complaint);
        }
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_name_of_the_parameter() {
        for (ty, text, complaint) in [
            ("u8", "300", "x: 300 does not fit u8"),
            ("f64", "abc", r#"x: expected f64, found a string ("abc")"#),
            (
                "char",
                "ab",
                r#"x: expected char as JSON such as "c", found "ab": expected value at line 1 column 1"#,
            ),
            ("enum { red, green }", "gren", r#"x: unknown case "gren"; did you mean "green"?"#),
            ("enum { red, green }", "1", "x: expected enum { red, green }, found a number (1)"),
            ("variant { all, only(u8) }", r#"{"only": 300}"#, "x.only: 300 does not fit u8"),
            ("variant { all, only(u8) }", "only", r#"x: case "only" has a payload: expected {"only": u8}"#),
            ("list<record { a: u8 }>", r#"[{"a": 300}]"#, "x[0].a: 300 does not fit u8"),
        ] {
            assert_eq!(arg(ty, text).unwrap_err(), complaint);
        }
    }

    #[test]
    fn raw_bytes_go_to_byte_parameters_only() {
        let as_json = |text: &str| bytes_arg(&ty(text), vec![0, 255]).ok().map(|arg| arg.to_json(&ty(text)));
        assert_eq!(as_json("list<u8>"), Some(json!("AP8=")));
        assert_eq!(as_json("option<list<u8>>"), Some(json!("AP8=")));
        assert_eq!(as_json("list<s8>"), None);
        assert_eq!(as_json("string"), None);
    }
}
