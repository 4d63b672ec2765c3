//! How large values are: about what they take in a guest's memory, without the addresses that hold them together.

use wasmtime::component::Val;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_large_as_what_they_hold() {
        let text = Val::String("four".to_owned());
        let bytes = Val::List(vec![Val::U8(0); 100]);
        let pair = Val::Tuple(vec![text.clone(), Val::Option(Some(Box::new(Val::U64(1))))]);
        assert_eq!(size_of_values([&text, &bytes, &pair]), 4 + 100 + (4 + 1 + 8));
        assert_eq!(size_of_values([&Val::Result(Err(None))]), 1);
    }
}
