//! Why a JSON value is not a value of its type, and where in the input.
//!
//! The place is put together only on the way out of a failed conversion: each level that a complaint
//! passes adds its own step in front, so values that fit pay nothing for it. Places are paths into the
//! input as the caller wrote it, which is why they show his spelling of names. Everything shown is cut
//! to a length, for inputs may be large.

use crate::values::shorten::{SHOWN_CHARS, shorten, shorten_json};
use crate::values::type_text::short_type_text;
use serde_json::Value as Json;
use std::fmt;
use wasmtime::component::Type;

/// An input that does not fit the types of a task: `args[0].user.age: 300 does not fit u8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue {
    /// With a dot before its first step if that is a name and nothing stands before it.
    place: String,
    problem: String,
    /// How many steps into the input the place is.
    depth: usize,
    kind: Kind,
}

/// What a reader of several complaints about one input has to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The type is never written as this sort of JSON.
    WrongSort,
    /// The sort is right, something about the value is not.
    Other,
}

impl BadValue {
    /// Returns where in the input the problem is, such as `args[0].user.age`; empty if it is the whole input.
    pub fn place(&self) -> &str {
        self.place.strip_prefix('.').unwrap_or(&self.place)
    }

    /// Returns what was expected there and what was found.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self { place: String::new(), problem: problem.into(), depth: 0, kind: Kind::Other }
    }

    /// The complaint that `ty` is never written like `found`.
    pub(crate) fn wrong_sort(ty: &Type, found: &Json) -> Self {
        let problem = format!("expected {}, found {}", expected(ty), describe(found));
        Self { kind: Kind::WrongSort, ..Self::new(problem) }
    }

    /// The complaint that a number is outside the range of `ty`.
    pub(crate) fn does_not_fit(ty: &Type, found: &Json) -> Self {
        Self::new(format!("{} does not fit {}", shorten_json(found), short_type_text(ty)))
    }

    /// Says that the problem is in item `index` of an array.
    pub(crate) fn inside_item(self, index: usize) -> Self {
        self.inside(&format!("[{index}]"))
    }

    /// Says that the problem is in the value that an object has under `key`.
    pub(crate) fn inside_key(self, key: &str) -> Self {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !key.is_empty() && key.len() <= SHOWN_CHARS && key.chars().all(is_plain) {
            self.inside(&format!(".{key}"))
        } else {
            self.inside(&format!("[{}]", shorten_json(&Json::from(shorten(key)))))
        }
    }

    /// Puts the name of the whole input in front of the place.
    pub(crate) fn rooted_at(mut self, root: &str) -> Self {
        self.place.insert_str(0, root);
        self
    }

    /// Returns true if the place is the whole input, and that is of the wrong sort of JSON altogether.
    pub(crate) fn is_wrong_sort_at_once(&self) -> bool {
        self.depth == 0 && self.kind == Kind::WrongSort
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    fn inside(mut self, step: &str) -> Self {
        self.place.insert_str(0, step);
        self.depth += 1;
        self
    }
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            "" => f.write_str(&self.problem),
            place => write!(f, "{place}: {}", self.problem),
        }
    }
}

impl std::error::Error for BadValue {}

/// Returns the sort of `json` and what it is, shortened: `a string ("abc")`.
pub(crate) fn describe(json: &Json) -> String {
    let sort = match json {
        Json::Null => return "null".to_owned(),
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    };
    format!("{sort} ({})", shorten_json(json))
}

/// Returns a type's name, with how it is written where that is not plain.
fn expected(ty: &Type) -> String {
    let hint = match ty {
        Type::Char => " (one character)",
        Type::List(list) if list.ty() == Type::U8 => " (base64, or an array)",
        Type::Result(_) => r#" ({"ok": …} or {"err": …})"#,
        Type::Flags(_) => " (an array of names)",
        Type::Option(option) if matches!(option.ty(), Type::Option(_)) => r#" (null or {"some": …})"#,
        Type::Option(_) => " or null",
        _ => "",
    };
    short_type_text(ty) + hint
}

#[cfg(test)]
mod tests {
    use super::BadValue;
    use serde_json::json;
    use wasmtime::component::Type;

    #[test]
    fn the_place_grows_from_the_inside_out() {
        let bad = BadValue::does_not_fit(&Type::U8, &json!(300)).inside_key("age").inside_key("user");
        assert_eq!(bad.place(), "user.age");
        assert_eq!(bad.to_string(), "user.age: 300 does not fit u8");
        assert_eq!(bad.rooted_at("args[0]").to_string(), "args[0].user.age: 300 does not fit u8");
    }

    #[test]
    fn keys_that_are_no_names_are_quoted() {
        let bad = BadValue::new("no").inside_item(2).inside_key("a \"b\"").inside_key("");
        assert_eq!(bad.to_string(), r#"[""]["a \"b\""][2]: no"#);
    }

    #[test]
    fn what_was_found_is_shown_but_not_at_length() {
        for (found, shown) in [
            (json!("abc"), r#"expected u32, found a string ("abc")"#),
            (json!(null), "expected u32, found null"),
            (json!(true), "expected u32, found a boolean (true)"),
            (json!([1, [2]]), "expected u32, found an array ([1,[2]])"),
            (json!({"a": 1}), r#"expected u32, found an object ({"a":1})"#),
        ] {
            assert_eq!(BadValue::wrong_sort(&Type::U32, &found).problem(), shown);
        }
        let long = BadValue::wrong_sort(&Type::U32, &json!("x".repeat(100_000)));
        assert!(long.problem().chars().count() < 100, "{long}");
    }
}
