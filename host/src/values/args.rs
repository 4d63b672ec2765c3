//! The arguments of a call from one JSON value, such as a line of input.
//!
//! - No parameters: `null`, `[]` or `{}`.
//! - One parameter: the first of these readings that fits. The value itself; an array of all arguments,
//!   `[value]`; an object by parameter names, `{"name": value}`. So `[1,2]` for a list is that list, and
//!   `{"user": {…}}` for a record without a field `user` is an argument by name.
//! - Several parameters: an array of exactly as many, or an object by parameter names, where those of
//!   type `option` may be left out.
//!
//! When no reading fits, the complaint of the one that got farthest into the input is given: it is the
//! one that was meant. When neither got anywhere, the value itself has the word, unless its type is
//! never written as that sort of JSON. Places begin with `args[0]` or with the parameter's name.

use crate::values::arg::Arg;
use crate::values::bad_value::{BadValue, describe};
use crate::values::from_json::members_from_json;
use crate::values::type_text::short_signature_text;
use serde_json::{Map as JsonObject, Value as Json};
use wasmtime::component::Type;

/// Returns the arguments that `input` stands for, one for each of `params` of `task`.
///
/// # Errors
///
/// Why it does not stand for such arguments, and where.
pub(crate) fn args_from_json(
    task: &str,
    params: &[(String, Type)],
    input: &Json,
) -> Result<Vec<Arg>, BadValue> {
    let args = match (params, input) {
        ([], Json::Null) => Ok(Vec::new()),
        ([(_, ty)], _) => return only_arg_from_json(task, params, ty, input),
        (_, Json::Array(items)) => args_by_position(task, params, items),
        (_, Json::Object(object)) => return args_by_name(params, object),
        _ => Err(wrong_count(task, params, &describe(input))),
    };
    args.map_err(|bad| bad.rooted_at("args"))
}

fn only_arg_from_json(
    task: &str,
    params: &[(String, Type)],
    ty: &Type,
    input: &Json,
) -> Result<Vec<Arg>, BadValue> {
    let as_value = match Arg::from_json(ty, input) {
        Ok(value) => return Ok(vec![value]),
        Err(bad) => bad.rooted_at("args[0]"),
    };
    let as_all = match input {
        Json::Array(items) => args_by_position(task, params, items).map_err(|bad| bad.rooted_at("args")),
        Json::Object(object) => args_by_name(params, object),
        _ => return Err(as_value),
    };
    as_all.map_err(|as_all| if got_farther(&as_all, &as_value) { as_all } else { as_value })
}

fn got_farther(as_all: &BadValue, as_value: &BadValue) -> bool {
    as_all.depth() > as_value.depth() || as_value.is_wrong_sort_at_once()
}

fn args_by_position(task: &str, params: &[(String, Type)], items: &[Json]) -> Result<Vec<Arg>, BadValue> {
    if items.len() != params.len() {
        return Err(wrong_count(task, params, &items.len().to_string()));
    }
    let arg = |(index, ((_, ty), item)): (usize, (&(String, Type), &Json))| {
        Arg::from_json(ty, item).map_err(|bad| bad.inside_item(index))
    };
    params.iter().zip(items).enumerate().map(arg).collect()
}

fn args_by_name(params: &[(String, Type)], object: &JsonObject<String, Json>) -> Result<Vec<Arg>, BadValue> {
    let members: Vec<(&str, Type)> = params.iter().map(|(name, ty)| (name.as_str(), ty.clone())).collect();
    let args = members_from_json("argument", &members, object, Arg::from_json);
    args.map_err(|bad| if bad.depth() == 0 { bad.rooted_at("args") } else { bad })
}

fn wrong_count(task: &str, params: &[(String, Type)], found: &str) -> BadValue {
    let (count, signature) = (params.len(), short_signature_text(task, params));
    let arguments = if count == 1 { "argument" } else { "arguments" };
    BadValue::new(format!("expected {count} {arguments} for {signature}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::args_from_json;
    use crate::values::testing::ty;
    use serde_json::{Value as Json, json};

    /// Returns the arguments as JSON again, for params such as `a: u8; b: string`.
    fn args(params: &str, input: Json) -> Result<Json, String> {
        let params: Vec<_> = params.split("; ").filter(|param| !param.is_empty()).collect();
        let params: Vec<_> = params
            .iter()
            .map(|param| param.split_once(": ").expect("a name and a type"))
            .map(|(name, text)| (name.to_owned(), ty(text)))
            .collect();
        let args = args_from_json("f", &params, &input).map_err(|bad| bad.to_string())?;
        assert_eq!(args.len(), params.len());
        Ok(params.iter().zip(&args).map(|((_, ty), arg)| arg.to_json(ty)).collect())
    }

    #[test]
    fn no_parameters_want_nothing_however_it_is_written() {
        for nothing in [json!(null), json!([]), json!({})] {
            assert_eq!(args("", nothing), Ok(json!([])));
        }
        assert_eq!(args("", json!(1)).unwrap_err(), "args: expected 0 arguments for f(), found a number (1)");
        assert_eq!(args("", json!([1])).unwrap_err(), "args: expected 0 arguments for f(), found 1");
        assert_eq!(args("", json!({"a": 1})).unwrap_err(), r#"args: unknown argument "a"; there are none"#);
    }

    #[test]
    fn the_only_parameter_takes_the_value_itself_before_anything_else() {
        for (params, input, taken) in [
            ("n: u8", json!(1), json!(1)),
            ("n: u8", json!([1]), json!(1)),
            ("n: u8", json!({"n": 1}), json!(1)),
            ("url: string", json!("u"), json!("u")),
            ("l: list<u16>", json!([1, 2]), json!([1, 2])),
            ("l: list<u16>", json!([[1, 2]]), json!([1, 2])),
            ("l: list<u16>", json!([]), json!([])),
            ("l: list<list<u16>>", json!([[1, 2]]), json!([[1, 2]])),
            ("l: list<list<u16>>", json!([[[1, 2]]]), json!([[1, 2]])),
            ("t: tuple<u8>", json!([1]), json!([1])),
            ("t: tuple<u8>", json!([[1]]), json!([1])),
            ("bytes: list<u8>", json!(["AQI="]), json!("AQI=")),
            ("user: record { age: u8 }", json!({"age": 1}), json!({"age": 1})),
            ("user: record { age: u8 }", json!({"user": {"age": 1}}), json!({"age": 1})),
            ("user: record { user: u8 }", json!({"user": 1}), json!({"user": 1})),
            ("first-name: option<string>", json!({"first_name": "x"}), json!("x")),
            ("n: option<u8>", json!(null), json!(null)),
            ("n: option<u8>", json!({}), json!(null)),
        ] {
            assert_eq!(args(params, input.clone()), Ok(json!([taken])), "{params} from {input}");
        }
    }

    #[test]
    fn the_reading_that_got_farthest_complains() {
        for (params, input, complaint) in [
            ("n: u8", json!(300), "args[0]: 300 does not fit u8"),
            ("n: u8", json!([300]), "args[0]: 300 does not fit u8"),
            ("n: u8", json!([1, 2]), "args: expected 1 argument for f(n: u8), found 2"),
            ("n: u8", json!({"n": 300}), "n: 300 does not fit u8"),
            ("n: u8", json!({"m": 1}), r#"args: unknown argument "m"; expected n"#),
            ("count: u8", json!({"cuont": 1}), r#"args: unknown argument "cuont"; did you mean "count"?"#),
            ("l: list<u16>", json!([1, "x"]), r#"args[0][1]: expected u16, found a string ("x")"#),
            ("l: list<u16>", json!([[1, "x"]]), r#"args[0][1]: expected u16, found a string ("x")"#),
            ("u: record { age: u8 }", json!({"age": 300}), "args[0].age: 300 does not fit u8"),
            ("u: record { age: u8 }", json!([{"age": 300}]), "args[0].age: 300 does not fit u8"),
            ("u: record { age: u8 }", json!({"u": {"age": 300}}), "u.age: 300 does not fit u8"),
            (
                "u: record { age: u8 }",
                json!({"agee": 30}),
                r#"args[0]: unknown field "agee"; did you mean "age"?"#,
            ),
            (
                "u: record { user: record { age: u8 } }",
                json!([{"user": {"age": 300}}]),
                "args[0].user.age: 300 does not fit u8",
            ),
        ] {
            assert_eq!(args(params, input.clone()).unwrap_err(), complaint, "{params} from {input}");
        }
    }

    #[test]
    fn several_parameters_go_by_position_or_by_name() {
        let params = "a: s64; max-wait: option<u8>";
        assert_eq!(args(params, json!([1, null])), Ok(json!([1, null])));
        assert_eq!(args(params, json!({"max-wait": 2, "a": 1})), Ok(json!([1, 2])));
        assert_eq!(args(params, json!({"max_wait": 2, "a": 1})), Ok(json!([1, 2])));
        assert_eq!(args(params, json!({"a": 1})), Ok(json!([1, null])));
    }

    #[test]
    fn several_parameters_are_all_wanted() {
        let params = "a: s64; max-wait: u8";
        let signature = "f(a: s64, max-wait: u8)";
        for (input, complaint) in [
            (json!([1]), format!("args: expected 2 arguments for {signature}, found 1")),
            (json!(1), format!("args: expected 2 arguments for {signature}, found a number (1)")),
            (json!([1, 300]), "args[1]: 300 does not fit u8".to_owned()),
            (json!({"a": 1, "max_wait": 300}), "max_wait: 300 does not fit u8".to_owned()),
            (json!({"a": 1}), r#"args: argument "max-wait" is missing (u8)"#.to_owned()),
            (
                json!({"a": 1, "max_wiat": 1}),
                r#"args: unknown argument "max_wiat"; did you mean "max-wait"?"#.to_owned(),
            ),
            (
                json!({"a": 1, "max_wait": 1, "max-wait": 1}),
                "args: one argument is given twice, in kebab-case and in snake_case".to_owned(),
            ),
        ] {
            assert_eq!(args(params, input).unwrap_err(), complaint);
        }
    }
}
