//! Types, values and JSON drawn from a fuzzer's bytes, taken there and back. Bytes that have run out draw the
//! first of each choice, so that first choices are the ones that end.

use crate::values::testing::{KEY_TYPES, NAMES, ty};
use crate::values::{arg_from_text, args_from_json, bytes_arg, check_representable, example, size_of_values};
use crate::values::{value_from_json, value_to_json};
use arbitrary::{Result, Unstructured};
use serde_json::Value as Json;
use wasmtime::component::{Type, Val};

const PLAIN_TYPES: [&str; 6] = ["bool", "string", "f32", "f64", "list<u8>", "char"];

/// How deep drawn types are, and how many parts each level has at most.
const MOST_LEVELS: u32 = 4;
const MOST_PARTS: usize = 4;

/// Draws a type, a value and a JSON text, and converts them.
pub(crate) fn convert(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let Ok(text) = draw_type(&mut bytes, MOST_LEVELS) else { return };
    let ty = ty(&text);
    assert_eq!(check_representable(&ty), Ok(()));
    assert!(value_from_json(&ty, &example(&ty)).is_ok(), "the example of {text}");
    let rest = bytes.take_rest();
    if let Ok(value) = draw_value(&ty, &mut Unstructured::new(rest)) {
        assert_comes_back(&ty, &value);
    }
    let _ = bytes_arg(&ty, rest.to_vec());
    let Ok(words) = std::str::from_utf8(rest) else { return };
    take_words(&ty, words);
}

/// A drawn value is the same after JSON, and JSON as text.
fn assert_comes_back(ty: &Type, value: &Val) {
    let json = value_to_json(ty, value.clone());
    assert_eq!(value_from_json(ty, &json).as_ref(), Ok(value));
    let read: Json = serde_json::from_str(&json.to_string()).expect("what was written is JSON");
    assert_eq!(value_from_json(ty, &read).as_ref(), Ok(value));
    assert!(size_of_values([value]) <= 1 << 30);
}

/// Whatever text is taken for a value, that value has JSON which stands for the same.
fn take_words(ty: &Type, words: &str) {
    let _ = arg_from_text("x", ty, words);
    let Ok(json) = serde_json::from_str::<Json>(words) else { return };
    if let Ok(value) = value_from_json(ty, &json) {
        let json = value_to_json(ty, value.clone());
        let again = value_from_json(ty, &json).expect("what was written is of the type");
        assert_eq!(value_to_json(ty, again.clone()), json);
    }
    let params = [("a".to_owned(), ty.clone()), ("first-name".to_owned(), ty.clone())];
    for params in [&params[..0], &params[..1], &params] {
        if let Ok(args) = args_from_json("f", params, &json) {
            assert_eq!(args.len(), params.len());
        }
    }
}

/// Draws a type in WIT notation that has JSON.
fn draw_type(bytes: &mut Unstructured<'_>, levels: u32) -> Result<String> {
    let Some(levels) = levels.checked_sub(1) else { return draw_plain_type(bytes) };
    let part = |bytes: &mut Unstructured<'_>| draw_type(bytes, levels);
    Ok(match bytes.int_in_range(0..=13)? {
        0 | 1 => draw_plain_type(bytes)?,
        2 => format!("list<{}>", part(bytes)?),
        3 => format!("list<{}, {}>", part(bytes)?, bytes.int_in_range(1..=3)?),
        4 => format!("map<{}, {}>", bytes.choose(&KEY_TYPES)?, part(bytes)?),
        5 => format!("tuple<{}>", draw_parts(bytes, |bytes, _| part(bytes))?),
        6 => format!("option<{}>", part(bytes)?),
        7 => "result".to_owned(),
        8 => format!("result<{}>", part(bytes)?),
        9 => format!("result<_, {}>", part(bytes)?),
        10 => format!("result<{}, {}>", part(bytes)?, part(bytes)?),
        11 => {
            let field = |bytes: &mut Unstructured<'_>, name: &str| Ok(format!("{name}: {}", part(bytes)?));
            format!("record {{ {} }}", draw_parts(bytes, field)?)
        }
        12 => {
            let case = |bytes: &mut Unstructured<'_>, name: &str| match bytes.arbitrary()? {
                true => Ok(format!("{name}({})", part(bytes)?)),
                false => Ok(name.to_owned()),
            };
            format!("variant {{ {} }}", draw_parts(bytes, case)?)
        }
        _ => {
            let head = if bytes.arbitrary()? { "enum" } else { "flags" };
            format!("{head} {{ {} }}", draw_parts(bytes, |_, name| Ok(name.to_owned()))?)
        }
    })
}

fn draw_plain_type(bytes: &mut Unstructured<'_>) -> Result<String> {
    let names = if bytes.arbitrary()? { &KEY_TYPES[..] } else { &PLAIN_TYPES[..] };
    bytes.choose(names).map(|name| (*name).to_owned())
}

/// Draws parts that follow each other, each with a name of its own at hand.
fn draw_parts(
    bytes: &mut Unstructured<'_>,
    mut part: impl FnMut(&mut Unstructured<'_>, &str) -> Result<String>,
) -> Result<String> {
    let (first, count) = (bytes.choose_index(NAMES.len())?, bytes.int_in_range(1..=MOST_PARTS)?);
    let names = NAMES.iter().cycle().skip(first).take(count);
    Ok(names.map(|name| part(bytes, name)).collect::<Result<Vec<_>>>()?.join(", "))
}

fn draw_value(ty: &Type, bytes: &mut Unstructured<'_>) -> Result<Val> {
    Ok(match ty {
        Type::List(list) => Val::List(draw_items(&list.ty(), None, bytes)?),
        Type::FixedLengthList(list) => {
            Val::FixedLengthList(draw_items(&list.ty(), Some(list.len() as usize), bytes)?)
        }
        Type::Map(map) => {
            let mut pairs: Vec<(Val, Val)> = Vec::new();
            for _ in 0..bytes.int_in_range(0..=MOST_PARTS)? {
                let pair = (draw_value(&map.key(), bytes)?, draw_value(&map.value(), bytes)?);
                // Of entries with the same key JSON keeps one.
                pairs.retain(|(key, _)| *key != pair.0);
                pairs.push(pair);
            }
            Val::Map(pairs)
        }
        Type::Record(record) => {
            let field = |(name, ty): (&str, Type)| Ok((name.to_owned(), draw_value(&ty, bytes)?));
            Val::Record(
                record.fields().map(|field| (field.name, field.ty)).map(field).collect::<Result<_>>()?,
            )
        }
        Type::Tuple(tuple) => {
            Val::Tuple(tuple.types().map(|ty| draw_value(&ty, bytes)).collect::<Result<_>>()?)
        }
        Type::Variant(variant) => {
            let case =
                variant.cases().nth(bytes.choose_index(variant.cases().len())?).expect("it was counted");
            Val::Variant(case.name.to_owned(), draw_payload(case.ty, bytes)?)
        }
        Type::Enum(names) => Val::Enum(
            names.names().nth(bytes.choose_index(names.names().len())?).expect("it was counted").to_owned(),
        ),
        Type::Option(option) => match bytes.arbitrary()? {
            true => Val::Option(draw_payload(Some(option.ty()), bytes)?),
            false => Val::Option(None),
        },
        Type::Result(result) => Val::Result(match bytes.arbitrary()? {
            true => Err(draw_payload(result.err(), bytes)?),
            false => Ok(draw_payload(result.ok(), bytes)?),
        }),
        Type::Flags(flags) => {
            let mut names = Vec::new();
            for name in flags.names() {
                if bytes.arbitrary()? {
                    names.push(name.to_owned());
                }
            }
            Val::Flags(names)
        }
        plain => draw_plain_value(plain, bytes)?,
    })
}

fn draw_items(ty: &Type, length: Option<usize>, bytes: &mut Unstructured<'_>) -> Result<Vec<Val>> {
    let length = length.map_or_else(|| bytes.int_in_range(0..=MOST_PARTS), Ok)?;
    (0..length).map(|_| draw_value(ty, bytes)).collect()
}

fn draw_payload(ty: Option<Type>, bytes: &mut Unstructured<'_>) -> Result<Option<Box<Val>>> {
    ty.map(|ty| draw_value(&ty, bytes).map(Box::new)).transpose()
}

fn draw_plain_value(ty: &Type, bytes: &mut Unstructured<'_>) -> Result<Val> {
    Ok(match ty {
        Type::Bool => Val::Bool(bytes.arbitrary()?),
        Type::S8 => Val::S8(bytes.arbitrary()?),
        Type::U8 => Val::U8(bytes.arbitrary()?),
        Type::S16 => Val::S16(bytes.arbitrary()?),
        Type::U16 => Val::U16(bytes.arbitrary()?),
        Type::S32 => Val::S32(bytes.arbitrary()?),
        Type::U32 => Val::U32(bytes.arbitrary()?),
        Type::S64 => Val::S64(bytes.arbitrary()?),
        Type::U64 => Val::U64(bytes.arbitrary()?),
        Type::Float32 => Val::Float32(bytes.arbitrary()?),
        Type::Float64 => Val::Float64(bytes.arbitrary()?),
        Type::Char => Val::Char(bytes.arbitrary()?),
        Type::String => Val::String(bytes.arbitrary()?),
        handle => panic!("{handle:?} has no JSON"),
    })
}
