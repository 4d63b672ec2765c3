//! Tables of what is taken and what is refused; `properties` has the rules that hold for every type.

use super::value_from_json;
use crate::values::testing::ty;
use crate::values::to_json::value_to_json;
use serde_json::{Value as Json, json};

/// Returns the value as it is written out.
fn taken(text_of_type: &str, json: &Json) -> Result<Json, String> {
    let ty = ty(text_of_type);
    value_from_json(&ty, json).map(|value| value_to_json(&ty, value)).map_err(|bad| bad.to_string())
}

#[test]
fn inputs_may_be_written_in_more_ways_than_outputs() {
    for (ty, input, output) in [
        ("list<u8>", json!([1, 2]), json!("AQI=")),
        ("list<u8>", json!("AQI"), json!("AQI=")),
        ("u8", json!(1.0), json!(1)),
        ("f32", json!(1), json!(1.0)),
        ("record { first-name: string }", json!({"first_name": "x"}), json!({"first-name": "x"})),
        ("record { a: option<u8>, b: u8 }", json!({"b": 1}), json!({"a": null, "b": 1})),
        ("record {a: u8, b: u8 }", json!({"b": 1, "a": 2}), json!({"a": 2, "b": 1})),
        ("variant { go-on, b(u8) }", json!({"go_on": null}), json!("go-on")),
        ("enum { light-green }", json!("light_green"), json!("light-green")),
        ("flags { a, b-c, d }", json!(["d", "b_c", "d"]), json!(["b-c", "d"])),
        ("map<string, u8>", json!([["a", 1]]), json!({"a": 1})),
        ("map<string, u8>", json!({"b": 1, "a": 2}), json!({"b": 1, "a": 2})),
        ("option<option<u8>>", json!({"some": null}), json!({"some": null})),
        ("option<option<record { some: u8 }>>", json!({"some": {"some": 1}}), json!({"some": {"some": 1}})),
        ("result", json!({"err": null}), json!({"err": null})),
        ("result<option<u8>>", json!({"ok": null}), json!({"ok": null})),
    ] {
        assert_eq!(taken(ty, &input), Ok(output), "{ty} from {input}");
    }
}

#[test]
fn every_type_tells_what_it_expected() {
    for (ty, complaint) in [
        ("bool", "expected bool, found a number (3)"),
        ("string", "expected string, found a number (3)"),
        ("char", "expected char (one character), found a number (3)"),
        ("list<string>", "expected list<string>, found a number (3)"),
        ("list<u8>", "expected list<u8> (base64, or an array), found a number (3)"),
        ("list<u8, 4>", "expected list<u8, 4>, found a number (3)"),
        ("tuple<u8>", "expected tuple<u8>, found a number (3)"),
        ("map<string, u8>", "expected map<string, u8>, found a number (3)"),
        ("record { a: u8 }", "expected record { a: u8 }, found a number (3)"),
        ("variant { a, b(u8) }", "expected variant { a, b(u8) }, found a number (3)"),
        ("enum { a }", "expected enum { a }, found a number (3)"),
        ("flags { a }", "expected flags { a } (an array of names), found a number (3)"),
        ("option<string>", "expected option<string> or null, found a number (3)"),
        ("option<option<u8>>", r#"expected option<option<u8>> (null or {"some": …}), found a number (3)"#),
        ("result<u8>", r#"expected result<u8> ({"ok": …} or {"err": …}), found a number (3)"#),
    ] {
        assert_eq!(taken(ty, &json!(3)).unwrap_err(), complaint);
    }
}

#[test]
fn complaints_have_their_place() {
    for (ty, input, complaint) in [
        (
            "record { user: record { age: u8 } }",
            json!({"user": {"age": 300}}),
            "user.age: 300 does not fit u8",
        ),
        ("record { max-age: u8 }", json!({"max_age": 300}), "max_age: 300 does not fit u8"),
        ("list<tuple<u8, u8>>", json!([[1, 2], [3, -4]]), "[1][1]: -4 does not fit u8"),
        ("list<u8>", json!([0, 256]), "[1]: 256 does not fit u8"),
        ("map<string, u8>", json!({"a b": 256}), r#"["a b"]: 256 does not fit u8"#),
        ("map<u8, u8>", json!([[1, 2], [256, 2]]), "[1][0]: 256 does not fit u8"),
        ("map<u8, u8>", json!([[1, 2, 3]]), "[0]: expected a pair [key, value], found an array ([1,2,3])"),
        ("option<option<u8>>", json!({"some": 256}), "some: 256 does not fit u8"),
        ("result<u8>", json!({"ok": 256}), "ok: 256 does not fit u8"),
        ("result<u8>", json!({"err": 1}), "err: expected null, found a number (1)"),
        ("variant { a, b(u8) }", json!({"b": 256}), "b: 256 does not fit u8"),
        ("variant { a, b(u8) }", json!({"a": 1}), "a: expected null, found a number (1)"),
        ("flags { a }", json!(["a", 1]), "[1]: expected string, found a number (1)"),
        ("list<record { a: u8 }>", json!([{"a": 1}, {}]), r#"[1]: field "a" is missing (u8)"#),
    ] {
        assert_eq!(taken(ty, &input).unwrap_err(), complaint);
    }
}

#[test]
fn names_and_lengths_must_match() {
    for (ty, input, complaint) in [
        ("record { age: u8 }", json!({"agge": 1}), r#"unknown field "agge"; did you mean "age"?"#),
        ("record { age: u8 }", json!({"age": 1, "x": 1}), r#"unknown field "x"; expected age"#),
        (
            "record { a-b: u8 }",
            json!({"a-b": 1, "a_b": 1}),
            "one field is given twice, in kebab-case and in snake_case",
        ),
        ("variant { all, only(u8) }", json!("al"), r#"unknown case "al"; did you mean "all"?"#),
        ("variant { all, only(u8) }", json!("only"), r#"case "only" has a payload: expected {"only": u8}"#),
        ("enum { red, green }", json!("gren"), r#"unknown case "gren"; did you mean "green"?"#),
        ("flags { read }", json!(["raed"]), r#"[0]: unknown flag "raed"; did you mean "read"?"#),
        ("tuple<u8, u8>", json!([1]), "expected an array of 2 for tuple<u8, u8>, found one of 1"),
        ("list<u8, 3>", json!([1, 2]), "expected an array of 3 for list<u8, 3>, found one of 2"),
        ("list<u8>", json!("a-b"), r#"expected base64, found a string ("a-b"): invalid symbol 45, offset 1"#),
        (
            "result<u8>",
            json!({"ok": 1, "err": null}),
            r#"expected result<u8> ({"ok": …} or {"err": …}), found an object ({"ok":1,"err":null})"#,
        ),
    ] {
        assert_eq!(taken(ty, &input).unwrap_err(), complaint);
    }
}

#[test]
fn types_nested_as_deep_as_the_engine_allows_need_little_stack() {
    let convert = || {
        let depth = 24;
        let layer = |inner: String, _| format!("record {{ a: variant {{ b(option<list<{inner}>>) }} }}");
        let text = (0..depth).fold("u16".to_owned(), layer);
        let deep = (0..depth).fold(json!(1), |inner, _| json!({"a": {"b": [inner]}}));
        assert_eq!(taken(&text, &deep), Ok(deep.clone()));
        let wrong = (0..depth).fold(json!(-1), |inner, _| json!({"a": {"b": [inner]}}));
        let complaint = format!("{}: -1 does not fit u16", ["a.b[0]"; 24].join("."));
        assert_eq!(taken(&text, &wrong).unwrap_err(), complaint);
    };
    let small = std::thread::Builder::new().stack_size(1 << 20).spawn(convert);
    small.expect("a thread starts").join().expect("the conversion ends");
}
