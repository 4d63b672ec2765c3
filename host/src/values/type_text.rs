//! Types and signatures in WIT notation, as people read them.
//!
//! Component types carry no names of their own, so records, variants, enums and flags are written out
//! where they stand: `list<record { name: string, age: u8 }>`. This is the notation of every complaint
//! and of `inspect`; a type that has no JSON has a text all the same.

use crate::values::shorten::{SHOWN_CHARS, Shortened};
use std::fmt::{self, Write};
use wasmtime::component::Type;

/// Returns `ty` in WIT notation, however long.
#[cfg(test)]
pub(crate) fn type_text(ty: &Type) -> String {
    let mut text = String::new();
    write_type(&mut text, ty).expect("a string takes any text");
    text
}

/// Returns `ty` in WIT notation, cut to what a complaint shows.
pub(crate) fn short_type_text(ty: &Type) -> String {
    let mut text = Shortened::to(SHOWN_CHARS);
    // A full writer has what it needs.
    let _ = write_type(&mut text, ty);
    text.finish()
}

/// Returns `name(parameter: type, …)`, cut to a few lines at most.
pub(crate) fn short_signature_text(name: &str, params: &[(String, Type)]) -> String {
    let mut text = Shortened::to(4 * SHOWN_CHARS);
    // A full writer has what it needs.
    let _ = write_signature(&mut text, name, params);
    text.finish()
}

fn write_signature(out: &mut impl Write, name: &str, params: &[(String, Type)]) -> fmt::Result {
    out.write_str(name)?;
    out.write_char('(')?;
    write_named(out, params.iter().map(|(name, ty)| (name.as_str(), ty.clone())))?;
    out.write_char(')')
}

fn write_type(out: &mut impl Write, ty: &Type) -> fmt::Result {
    match ty {
        Type::List(list) => write_generic(out, "list", [Some(list.ty())]),
        Type::FixedLengthList(list) => {
            out.write_str("list<")?;
            write_type(out, &list.ty())?;
            write!(out, ", {}>", list.len())
        }
        Type::Map(map) => write_generic(out, "map", [Some(map.key()), Some(map.value())]),
        Type::Tuple(tuple) => write_generic(out, "tuple", tuple.types().map(Some)),
        Type::Option(option) => write_generic(out, "option", [Some(option.ty())]),
        Type::Result(result) => match (result.ok(), result.err()) {
            (None, None) => out.write_str("result"),
            (ok, None) => write_generic(out, "result", [ok]),
            (ok, err) => write_generic(out, "result", [ok, err]),
        },
        Type::Future(future) => write_maybe_generic(out, "future", future.ty()),
        Type::Stream(stream) => write_maybe_generic(out, "stream", stream.ty()),
        Type::Own(_) => out.write_str("own<resource>"),
        Type::Borrow(_) => out.write_str("borrow<resource>"),
        Type::Record(record) => {
            out.write_str("record { ")?;
            write_named(out, record.fields().map(|field| (field.name, field.ty)))?;
            out.write_str(" }")
        }
        Type::Variant(variant) => {
            let cases = variant.cases().map(|case| (case.name, case.ty));
            write_braced(out, "variant", cases)
        }
        Type::Enum(names) => write_braced(out, "enum", names.names().map(|name| (name, None))),
        Type::Flags(flags) => write_braced(out, "flags", flags.names().map(|name| (name, None))),
        plain => out.write_str(plain_name(plain)),
    }
}

/// Returns the name of a type that has no parts.
fn plain_name(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::S8 => "s8",
        Type::U8 => "u8",
        Type::S16 => "s16",
        Type::U16 => "u16",
        Type::S32 => "s32",
        Type::U32 => "u32",
        Type::S64 => "s64",
        Type::U64 => "u64",
        Type::Float32 => "f32",
        Type::Float64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        _ => unreachable!("every type with parts is written part by part"),
    }
}

/// Writes `head<part, part>`, or `head` without parts; a missing part is `_`.
fn write_generic(
    out: &mut impl Write,
    head: &str,
    parts: impl IntoIterator<Item = Option<Type>>,
) -> fmt::Result {
    out.write_str(head)?;
    let mut opening = "<";
    for part in parts {
        out.write_str(opening)?;
        opening = ", ";
        match part {
            Some(ty) => write_type(out, &ty)?,
            None => out.write_char('_')?,
        }
    }
    if opening == ", " { out.write_char('>') } else { Ok(()) }
}

/// Writes `head<part>`, or `head` if there is no part.
fn write_maybe_generic(out: &mut impl Write, head: &str, part: Option<Type>) -> fmt::Result {
    write_generic(out, head, part.map(Some))
}

/// Writes `name: type, name: type`.
fn write_named<'a>(out: &mut impl Write, parts: impl Iterator<Item = (&'a str, Type)>) -> fmt::Result {
    for (index, (name, ty)) in parts.enumerate() {
        out.write_str(if index == 0 { "" } else { ", " })?;
        write!(out, "{name}: ")?;
        write_type(out, &ty)?;
    }
    Ok(())
}

/// Writes `head { name, name(type) }`.
fn write_braced<'a>(
    out: &mut impl Write,
    head: &str,
    cases: impl Iterator<Item = (&'a str, Option<Type>)>,
) -> fmt::Result {
    write!(out, "{head} {{ ")?;
    for (index, (name, payload)) in cases.enumerate() {
        out.write_str(if index == 0 { "" } else { ", " })?;
        write_case(out, name, payload)?;
    }
    out.write_str(" }")
}

/// Writes `name(type)`, or `name` if there is no type.
fn write_case(out: &mut impl Write, name: &str, payload: Option<Type>) -> fmt::Result {
    out.write_str(name)?;
    let Some(ty) = payload else { return Ok(()) };
    out.write_char('(')?;
    write_type(out, &ty)?;
    out.write_char(')')
}

#[cfg(test)]
mod tests {
    use super::{short_signature_text, short_type_text, type_text};
    use crate::values::testing::ty;
    use wasmtime::component::Type;

    #[test]
    fn types_read_as_wit() {
        for text in [
            "u8",
            "error-context",
            "list<string>",
            "list<u8, 4>",
            "map<string, list<f32>>",
            "tuple<u8, char>",
            "option<option<bool>>",
            "result",
            "result<u16>",
            "result<_, string>",
            "result<u16, string>",
            "record { name: string, age: u8 }",
            "variant { all, some(list<u8>) }",
            "enum { red, green }",
            "flags { read, write }",
            "stream<u8>",
            "future",
            "own<resource>",
            "borrow<resource>",
        ] {
            assert_eq!(type_text(&ty(text)), text);
        }
    }

    #[test]
    fn signatures_read_as_wit() {
        let params = [("a".to_owned(), Type::S64), ("b".to_owned(), Type::S64)];
        assert_eq!(short_signature_text("add", &params), "add(a: s64, b: s64)");
        assert_eq!(short_signature_text("stop", &[]), "stop()");
    }

    #[test]
    fn long_types_are_cut_in_complaints() {
        let long =
            ty("tuple<string, string, string, string, string, string, string, string, string, string>");
        assert_eq!(short_type_text(&long), "tuple<string, string, string, string, string, string, strin…");
    }
}
