//! How large values are: about what they take in a guest's memory, without the addresses that hold them together,
//! and what they take in the host's as JSON, which is many times as much for anything but texts and bytes.

use serde_json::Value as Json;
use wasmtime::component::types::Flags;
use wasmtime::component::{Type, Val};

/// What one JSON value takes in the host's memory, without what it owns.
pub(crate) const JSON_CELL_BYTES: usize = size_of::<Json>();

/// What a field of an object takes without its value, and an object without its fields: its place in two tables.
const JSON_FIELD_BYTES: usize = size_of::<String>() + 3 * size_of::<usize>();
const JSON_OBJECT_BYTES: usize = 64;

/// The least that an allocator hands out, about.
const LEAST_ALLOCATION: usize = 32;

/// What [`held_per_copied_byte`] is where there are no flags: for a record of one field with a short name.
const MOST_HELD_PER_COPIED_BYTE: usize = 3;

/// Returns the size of some values in bytes.
pub(crate) fn size_of_values<'a>(values: impl IntoIterator<Item = &'a Val>) -> usize {
    values.into_iter().map(size_of_value).sum()
}

fn size_of_value(value: &Val) -> usize {
    let inner = |value: &Option<Box<Val>>| value.as_deref().map_or(0, size_of_value);
    match value {
        Val::Bool(_) | Val::S8(_) | Val::U8(_) => 1,
        Val::S16(_) | Val::U16(_) => 2,
        Val::S64(_) | Val::U64(_) | Val::Float64(_) => 8,
        Val::String(text) => text.len(),
        Val::List(items) | Val::Tuple(items) => size_of_values(items),
        Val::Record(fields) => fields.iter().map(|(_, value)| size_of_value(value)).sum(),
        Val::Map(entries) => {
            entries.iter().map(|(key, value)| size_of_value(key) + size_of_value(value)).sum()
        }
        Val::Variant(_, value) => 1 + inner(value),
        Val::Option(value) => 1 + inner(value),
        Val::Result(Ok(value) | Err(value)) => 1 + inner(value),
        // 32-bit numbers, characters, enums, flags, and what has no JSON.
        _ => 4,
    }
}

/// Returns about what a value takes in the host's memory as JSON, in bytes.
pub(crate) fn size_as_json(value: &Val) -> usize {
    let inner = |value: &Option<Box<Val>>| value.as_deref().map_or(0, size_as_json);
    let text = |text: &str| JSON_CELL_BYTES + allocated(text.len());
    let object_of_one = |inside: usize| JSON_CELL_BYTES + JSON_OBJECT_BYTES + field_size("") + inside;
    match value {
        Val::String(value) | Val::Enum(value) | Val::Variant(value, None) => text(value),
        Val::List(bytes) if matches!(bytes.first(), Some(Val::U8(_))) => {
            JSON_CELL_BYTES + size_of_base64(bytes.len())
        }
        Val::List(items) | Val::FixedLengthList(items) | Val::Tuple(items) => {
            JSON_CELL_BYTES + items.iter().map(size_as_json).sum::<usize>()
        }
        Val::Record(fields) => {
            let field = |(name, value): &(String, Val)| field_size(name) + size_as_json(value);
            JSON_CELL_BYTES + JSON_OBJECT_BYTES + fields.iter().map(field).sum::<usize>()
        }
        Val::Map(entries) => {
            // An array of pairs takes more than an object.
            let entry = |(key, value): &(Val, Val)| {
                JSON_CELL_BYTES + JSON_FIELD_BYTES + size_as_json(key) + size_as_json(value)
            };
            JSON_CELL_BYTES + JSON_OBJECT_BYTES + entries.iter().map(entry).sum::<usize>()
        }
        Val::Flags(names) => JSON_CELL_BYTES + names.iter().map(|name| text(name)).sum::<usize>(),
        Val::Option(Some(value)) if matches!(**value, Val::Option(_)) => object_of_one(size_as_json(value)),
        Val::Option(Some(value)) => size_as_json(value),
        Val::Variant(name, value) => object_of_one(allocated(name.len()) + inner(value)),
        Val::Result(Ok(value) | Err(value)) => object_of_one(inner(value)),
        _ => JSON_CELL_BYTES,
    }
}

/// Returns how many bytes the host holds at most for each that the engine counts while it copies values of `ty` out of
/// a guest. It counts letters of names, and every flag that is set is a text of its own in the host's memory.
///
/// Only for types that have JSON, for others may be too large to walk through.
pub(crate) fn held_per_copied_byte(ty: &Type) -> usize {
    let of = |part: Option<Type>| part.map_or(MOST_HELD_PER_COPIED_BYTE, |ty| held_per_copied_byte(&ty));
    match ty {
        Type::Flags(flags) => held_per_byte_of_flags(flags),
        Type::List(list) => of(Some(list.ty())),
        Type::FixedLengthList(list) => of(Some(list.ty())),
        Type::Map(map) => of(Some(map.key())).max(of(Some(map.value()))),
        Type::Option(option) => of(Some(option.ty())),
        Type::Result(result) => of(result.ok()).max(of(result.err())),
        Type::Tuple(tuple) => most(tuple.types().map(|ty| of(Some(ty)))),
        Type::Record(record) => most(record.fields().map(|field| of(Some(field.ty)))),
        Type::Variant(variant) => most(variant.cases().map(|case| of(case.ty))),
        _ => MOST_HELD_PER_COPIED_BYTE,
    }
}

fn most(parts: impl Iterator<Item = usize>) -> usize {
    parts.fold(MOST_HELD_PER_COPIED_BYTE, usize::max)
}

fn held_per_byte_of_flags(flags: &Flags) -> usize {
    let (names, letters) =
        flags.names().fold((0_usize, 0), |(names, letters), name| (names + 1, letters + name.len()));
    let place = names.next_power_of_two().max(4) * size_of::<String>();
    let held = size_of::<Val>() + place + names * LEAST_ALLOCATION;
    held.div_ceil(size_of::<Val>() + letters).max(MOST_HELD_PER_COPIED_BYTE)
}

/// Returns how long so many bytes are as base64.
pub(crate) fn size_of_base64(bytes: usize) -> usize {
    bytes.div_ceil(3).saturating_mul(4)
}

fn field_size(name: &str) -> usize {
    JSON_FIELD_BYTES + allocated(name.len())
}

fn allocated(bytes: usize) -> usize {
    bytes.max(LEAST_ALLOCATION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::testing::ty;

    #[test]
    fn values_are_as_large_as_what_they_hold() {
        let text = Val::String("four".to_owned());
        let bytes = Val::List(vec![Val::U8(0); 100]);
        let pair = Val::Tuple(vec![text.clone(), Val::Option(Some(Box::new(Val::U64(1))))]);
        assert_eq!(size_of_values([&text, &bytes, &pair]), 4 + 100 + (4 + 1 + 8));
        assert_eq!(size_of_values([&Val::Result(Err(None))]), 1);
    }

    #[test]
    fn json_takes_many_times_as_much_except_for_bytes_and_texts() {
        let bytes = Val::List(vec![Val::U8(0); 3_000]);
        assert_eq!(size_as_json(&bytes), JSON_CELL_BYTES + 4_000);
        assert_eq!(size_as_json(&Val::String("x".repeat(3_000))), JSON_CELL_BYTES + 3_000);
        let bools = Val::List(vec![Val::Bool(true); 1_000]);
        assert_eq!(size_as_json(&bools), 1_001 * JSON_CELL_BYTES);
        let record = Val::Record(vec![("a".to_owned(), Val::U8(0))]);
        assert!(size_as_json(&record) > 3 * JSON_CELL_BYTES);
    }

    #[test]
    fn flags_are_held_by_their_names() {
        for (text, times) in [
            ("list<record { a: bool }>", 3),
            ("flags { read-only, write-only }", 4),
            ("list<option<flags { a, b, c, d, e, f, g, h }>>", 11),
        ] {
            assert_eq!(held_per_copied_byte(&ty(text)), times, "{text}");
        }
    }
}
