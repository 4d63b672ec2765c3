//! Which types have JSON at all.
//!
//! Streams, futures, resources and error contexts are handles into one store: they mean nothing outside
//! it. A task that takes or gives one is found out here, once, so that the conversions need not fail on it.

use crate::values::type_text::short_type_text;
use wasmtime::component::Type;

/// A part of a type that has no JSON, such as `a stream (stream<u8>) in user.photos[]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}", if .place.is_empty() { String::new() } else { format!(" in {}", self.place()) })]
pub(crate) struct Unrepresentable {
    what: String,
    place: String,
}

impl Unrepresentable {
    /// Returns where in the type the part is: `.field`, `[]` for items, `?` for what is in an option; empty if
    /// it is the whole type.
    pub(crate) fn place(&self) -> &str {
        self.place.strip_prefix('.').unwrap_or(&self.place)
    }

    fn new(what: &str, ty: &Type) -> Self {
        Self { what: format!("{what} ({})", short_type_text(ty)), place: String::new() }
    }

    fn inside(mut self, step: &str) -> Self {
        self.place.insert_str(0, step);
        self
    }
}

/// A type that takes more steps to walk through is not for JSON: its parts may share their types, so a small
/// component can have a type that nobody could ever write out.
const MOST_STEPS: u32 = 100_000;

/// Checks that values of `ty` have JSON.
///
/// # Errors
///
/// The first part of `ty` that has none.
pub(crate) fn check_representable(ty: &Type) -> Result<(), Unrepresentable> {
    let mut steps = MOST_STEPS;
    check_steps(ty, &mut steps)
}

fn check_steps(ty: &Type, steps: &mut u32) -> Result<(), Unrepresentable> {
    let Some(left) = steps.checked_sub(1) else {
        return Err(Unrepresentable {
            what: "a type that is far too large".to_owned(),
            place: String::new(),
        });
    };
    *steps = left;
    let mut check = |step: &str, part: Option<Type>| check_part(step, part, steps);
    match ty {
        Type::Own(_) | Type::Borrow(_) => Err(Unrepresentable::new("a resource", ty)),
        Type::Future(_) => Err(Unrepresentable::new("a future", ty)),
        Type::Stream(_) => Err(Unrepresentable::new("a stream", ty)),
        Type::ErrorContext => Err(Unrepresentable::new("an error context", ty)),
        Type::List(list) => check("[]", Some(list.ty())),
        Type::FixedLengthList(list) => check("[]", Some(list.ty())),
        Type::Map(map) => {
            check("[key]", Some(map.key()))?;
            check("[]", Some(map.value()))
        }
        Type::Option(option) => check("?", Some(option.ty())),
        Type::Result(result) => {
            check(".ok", result.ok())?;
            check(".err", result.err())
        }
        Type::Tuple(tuple) => {
            tuple.types().enumerate().try_for_each(|(index, ty)| check(&format!("[{index}]"), Some(ty)))
        }
        Type::Record(record) => {
            record.fields().try_for_each(|field| check(&format!(".{}", field.name), Some(field.ty)))
        }
        Type::Variant(variant) => {
            variant.cases().try_for_each(|case| check(&format!(".{}", case.name), case.ty))
        }
        _ => Ok(()),
    }
}

fn check_part(step: &str, part: Option<Type>, steps: &mut u32) -> Result<(), Unrepresentable> {
    part.map_or(Ok(()), |ty| check_steps(&ty, steps)).map_err(|without_json| without_json.inside(step))
}

#[cfg(test)]
mod tests {
    use super::check_representable;
    use crate::values::testing::ty;

    #[test]
    fn handles_are_found_wherever_they_are() {
        for (text, found) in [
            ("stream<u8>", "a stream (stream<u8>)"),
            ("future", "a future (future)"),
            ("own<resource>", "a resource (own<resource>)"),
            ("error-context", "an error context (error-context)"),
            ("record { id: u8, photos: list<stream<u8>> }", "a stream (stream<u8>) in photos[]"),
            ("tuple<u8, option<borrow<resource>>>", "a resource (borrow<resource>) in [1]?"),
            ("result<u8, variant { a, b(future<u8>) }>", "a future (future<u8>) in err.b"),
            ("list<map<string, error-context>, 3>", "an error context (error-context) in [][]"),
        ] {
            assert_eq!(check_representable(&ty(text)).unwrap_err().to_string(), found);
        }
    }

    #[test]
    fn everything_else_has_json() {
        for text in
            ["u64", "map<char, result>", "list<option<flags { a }>, 2>", "variant { a, b(enum { c }) }"]
        {
            assert_eq!(check_representable(&ty(text)), Ok(()));
        }
    }
}
