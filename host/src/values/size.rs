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

/// For values that own nothing, the engine counts what they take.
const PLAIN_PERCENT: usize = 100;

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

/// Returns how many bytes the host holds at most for each hundred that the engine counts while it copies a value of
/// `ty` out of a guest. It counts a cell for each value and the letters of names, and not what an allocator adds.
///
/// Only for types that have JSON, for others may be too large to walk through.
pub(crate) fn held_percent(ty: &Type) -> usize {
    percent_of(ty, How::Once)
}

/// How often a part of a value may be there: what comes once is nothing beside what comes a million times.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Once,
    Often,
}

fn percent_of(ty: &Type, how: How) -> usize {
    let part = |part: Option<Type>| part.map_or(PLAIN_PERCENT, |ty| percent_of(&ty, how));
    let item = |ty: Type| percent_of(&ty, How::Often);
    let most = |parts: &mut dyn Iterator<Item = usize>| parts.fold(PLAIN_PERCENT, usize::max);
    let (own, parts) = match ty {
        // The name, or the text, is an allocation of its own.
        Type::String | Type::Enum(_) => (180, PLAIN_PERCENT),
        // Room for four items at least.
        Type::List(list) => (250, item(list.ty())),
        Type::FixedLengthList(list) => (250, item(list.ty())),
        Type::Map(map) => (250, item(map.key()).max(item(map.value()))),
        Type::Option(option) => (120, part(Some(option.ty()))),
        Type::Result(result) => (120, part(result.ok()).max(part(result.err()))),
        Type::Tuple(tuple) => (120, most(&mut tuple.types().map(|ty| part(Some(ty))))),
        Type::Variant(variant) => (200, most(&mut variant.cases().map(|case| part(case.ty)))),
        // A name for each field, each time.
        Type::Record(record) => (275, most(&mut record.fields().map(|field| part(Some(field.ty))))),
        Type::Flags(flags) => (flags_percent(flags), PLAIN_PERCENT),
        _ => (PLAIN_PERCENT, PLAIN_PERCENT),
    };
    if how == How::Often { own.max(parts) } else { parts }
}

/// Each flag that is set is a text of its own.
fn flags_percent(flags: &Flags) -> usize {
    let (names, letters) =
        flags.names().fold((0_usize, 0), |(names, letters), name| (names + 1, letters + name.len()));
    let place = names.next_power_of_two().max(4) * size_of::<String>();
    let held = size_of::<Val>() + place + names * LEAST_ALLOCATION;
    (100 * held).div_ceil(size_of::<Val>() + letters)
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
    fn the_engine_counts_less_than_the_host_holds_where_parts_come_often() {
        for (text, percent) in [
            ("list<u8>", 100),
            ("record { name: string, body: list<u8> }", 100),
            ("result<list<u8>, record { message: string, causes: list<string> }>", 180),
            ("list<option<record { a: bool }>>", 275),
            ("list<list<u8>>", 250),
            ("list<flags { a, b, c, d, e, f, g, h }>", 1_017),
        ] {
            assert_eq!(held_percent(&ty(text)), percent, "{text}");
        }
    }
}
