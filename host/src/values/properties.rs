//! What holds for every type and every value: nothing is lost on the way to JSON text and back, no
//! input is a panic, and a complaint points at something that is there.

use crate::values::testing::{KEY_TYPES, NAMES, ty};
use crate::values::type_text::type_text;
use crate::values::{Arg, arg_from_text, args_from_json, check_representable, example};
use crate::values::{value_from_json, value_to_json};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select, subsequence};
use proptest::strategy::BoxedStrategy;
use proptest::test_runner::Config;
use proptest::{prop_assert, prop_assert_eq, proptest};
use serde_json::Value as Json;
use std::fmt::Debug;
use wasmtime::component::{Type, Val};

/// Types in WIT notation, of every kind that has JSON.
fn any_type() -> impl Strategy<Value = String> {
    let names = || subsequence(&NAMES[..], 1..5).prop_shuffle();
    let plain = prop_oneof![
        4 => select(&["bool", "u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"][..]).prop_map(str::to_owned),
        3 => select(&["f32", "f64", "char", "string", "list<u8>"][..]).prop_map(str::to_owned),
        1 => names().prop_map(|names| format!("enum {{ {} }}", names.join(", "))),
        1 => names().prop_map(|names| format!("flags {{ {} }}", names.join(", "))),
    ];
    plain.prop_recursive(5, 24, 4, move |part| {
        let parts = vec(part.clone(), 4);
        prop_oneof![
            part.clone().prop_map(|part| format!("list<{part}>")),
            (part.clone(), 1..4).prop_map(|(part, length)| format!("list<{part}, {length}>")),
            (select(&KEY_TYPES[..]), part.clone()).prop_map(|(key, part)| format!("map<{key}, {part}>")),
            vec(part.clone(), 1..4).prop_map(|parts| format!("tuple<{}>", parts.join(", "))),
            part.clone().prop_map(|part| format!("option<{part}>")),
            part.clone().prop_map(|part| format!("option<option<{part}>>")),
            Just("result".to_owned()),
            part.clone().prop_map(|part| format!("result<{part}>")),
            part.clone().prop_map(|part| format!("result<_, {part}>")),
            (part.clone(), part).prop_map(|(ok, err)| format!("result<{ok}, {err}>")),
            (names(), parts.clone()).prop_map(|(names, parts)| {
                let field = |(name, part): (&&str, &String)| format!("{name}: {part}");
                format!("record {{ {} }}", names.iter().zip(&parts).map(field).collect::<Vec<_>>().join(", "))
            }),
            (names(), parts, vec(any::<bool>(), 4)).prop_map(|(names, parts, full)| {
                let case = |((name, part), full): ((&&str, &String), &bool)| match full {
                    true => format!("{name}({part})"),
                    false => (*name).to_owned(),
                };
                let cases: Vec<_> = names.iter().zip(&parts).zip(&full).map(case).collect();
                format!("variant {{ {} }}", cases.join(", "))
            }),
        ]
    })
}

/// The extremes as often as all others together.
fn extremes_and<T: Debug + Clone + 'static>(
    extremes: &'static [T],
    others: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    prop_oneof![select(extremes), others].boxed()
}

fn any_char() -> BoxedStrategy<char> {
    extremes_and(
        &['\0', '"', '\\', '\u{7f}', '\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{10ffff}'],
        any::<char>(),
    )
}

fn any_value(ty: &Type) -> BoxedStrategy<Val> {
    let boxed = |ty: Option<Type>| -> BoxedStrategy<Option<Box<Val>>> {
        ty.map_or(Just(None).boxed(), |ty| any_value(&ty).prop_map(|value| Some(Box::new(value))).boxed())
    };
    match ty {
        Type::List(list) => vec(any_value(&list.ty()), 0..4).prop_map(Val::List).boxed(),
        Type::FixedLengthList(list) => {
            vec(any_value(&list.ty()), list.len() as usize).prop_map(Val::FixedLengthList).boxed()
        }
        Type::Map(map) => vec((any_value(&map.key()), any_value(&map.value())), 0..4)
            .prop_map(|pairs| Val::Map(without_repeated_keys(pairs)))
            .boxed(),
        Type::Record(record) => {
            let names: Vec<_> = record.fields().map(|field| field.name.to_owned()).collect();
            let values: Vec<_> = record.fields().map(|field| any_value(&field.ty)).collect();
            values.prop_map(move |values| Val::Record(names.iter().cloned().zip(values).collect())).boxed()
        }
        Type::Tuple(tuple) => {
            tuple.types().map(|ty| any_value(&ty)).collect::<Vec<_>>().prop_map(Val::Tuple).boxed()
        }
        Type::Variant(variant) => {
            let cases: Vec<_> = variant.cases().map(|case| (case.name.to_owned(), case.ty)).collect();
            let case =
                move |(name, ty)| boxed(ty).prop_map(move |value| Val::Variant(String::clone(&name), value));
            select(cases).prop_flat_map(case).boxed()
        }
        Type::Enum(names) => {
            select(names.names().map(str::to_owned).collect::<Vec<_>>()).prop_map(Val::Enum).boxed()
        }
        Type::Option(option) => {
            prop_oneof![Just(None), boxed(Some(option.ty()))].prop_map(Val::Option).boxed()
        }
        Type::Result(result) => prop_oneof![
            boxed(result.ok()).prop_map(|value| Val::Result(Ok(value))),
            boxed(result.err()).prop_map(|value| Val::Result(Err(value))),
        ]
        .boxed(),
        Type::Flags(flags) => {
            let names: Vec<_> = flags.names().map(str::to_owned).collect();
            let count = names.len();
            subsequence(names, 0..=count).prop_map(Val::Flags).boxed()
        }
        plain => any_plain_value(plain),
    }
}

fn any_plain_value(ty: &Type) -> BoxedStrategy<Val> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Val::Bool).boxed(),
        Type::S8 => extremes_and(&[i8::MIN, i8::MAX], any::<i8>()).prop_map(Val::S8).boxed(),
        Type::U8 => extremes_and(&[u8::MIN, u8::MAX], any::<u8>()).prop_map(Val::U8).boxed(),
        Type::S16 => extremes_and(&[i16::MIN, i16::MAX], any::<i16>()).prop_map(Val::S16).boxed(),
        Type::U16 => extremes_and(&[u16::MIN, u16::MAX], any::<u16>()).prop_map(Val::U16).boxed(),
        Type::S32 => extremes_and(&[i32::MIN, i32::MAX], any::<i32>()).prop_map(Val::S32).boxed(),
        Type::U32 => extremes_and(&[u32::MIN, u32::MAX], any::<u32>()).prop_map(Val::U32).boxed(),
        Type::S64 => extremes_and(&[i64::MIN, i64::MAX], any::<i64>()).prop_map(Val::S64).boxed(),
        Type::U64 => {
            extremes_and(&[u64::MIN, u64::MAX, (1 << 53) + 1], any::<u64>()).prop_map(Val::U64).boxed()
        }
        Type::Float32 => {
            let extremes =
                &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MAX, f32::MIN_POSITIVE, 0.1];
            extremes_and(extremes, any::<u32>().prop_map(f32::from_bits)).prop_map(Val::Float32).boxed()
        }
        Type::Float64 => {
            let extremes =
                &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX, f64::MIN_POSITIVE, 1e23];
            extremes_and(extremes, any::<u64>().prop_map(f64::from_bits)).prop_map(Val::Float64).boxed()
        }
        Type::Char => any_char().prop_map(Val::Char).boxed(),
        Type::String => vec(any_char(), 0..6).prop_map(|chars| Val::String(String::from_iter(chars))).boxed(),
        handle => panic!("{handle:?} has no JSON"),
    }
}

fn without_repeated_keys(pairs: Vec<(Val, Val)>) -> Vec<(Val, Val)> {
    let mut unique: Vec<(Val, Val)> = Vec::new();
    for (key, value) in pairs {
        if unique.iter().all(|(earlier, _)| *earlier != key) {
            unique.push((key, value));
        }
    }
    unique
}

/// JSON that knows nothing of the type, though it uses the same words.
fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        (-3..300).prop_map(Json::from),
        select(&NAMES[..]).prop_map(Json::from),
        vec(any_char(), 0..3).prop_map(|chars| Json::from(String::from_iter(chars))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let key = prop_oneof![
            select(&NAMES[..]).prop_map(str::to_owned),
            select(&NAMES[..]).prop_map(|name| name.replace('-', "_")),
            vec(any_char(), 0..3).prop_map(String::from_iter),
        ];
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Json::from),
            vec((key, inner), 0..3).prop_map(Json::from_iter),
        ]
    })
}

fn any_typed_value() -> impl Strategy<Value = (String, Val)> {
    any_type().prop_flat_map(|text| any_value(&ty(&text)).prop_map(move |value| (text.clone(), value)))
}

/// Counts the values inside `json`, itself included.
fn count_values(json: &Json) -> usize {
    1 + parts_of(json).map(count_values).sum::<usize>()
}

fn parts_of(json: &Json) -> Box<dyn Iterator<Item = &Json> + '_> {
    match json {
        Json::Array(items) => Box::new(items.iter()),
        Json::Object(object) => Box::new(object.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// Puts `other` in the place of the value with this number, counted from the outside in.
fn replace(json: &mut Json, number: &mut usize, other: &Json) {
    if *number == 0 {
        *json = other.clone();
    }
    *number = number.wrapping_sub(1);
    match json {
        Json::Array(items) => items.iter_mut().for_each(|item| replace(item, number, other)),
        Json::Object(object) => object.values_mut().for_each(|value| replace(value, number, other)),
        _ => {}
    }
}

/// Returns what stands at `place`, a path such as `a[0]["b c"].d`.
fn at_place<'a>(mut json: &'a Json, mut place: &str) -> Option<&'a Json> {
    while !place.is_empty() {
        place = place.strip_prefix('.').unwrap_or(place);
        if let Some(step) = place.strip_prefix('[') {
            let mut steps = serde_json::Deserializer::from_str(step).into_iter::<Json>();
            let key = steps.next()?.ok()?;
            json = match key.as_str() {
                Some(key) => json.get(key)?,
                None => json.get(usize::try_from(key.as_u64()?).ok()?)?,
            };
            place = step[steps.byte_offset()..].strip_prefix(']')?;
        } else {
            let end = place.find(['.', '[']).unwrap_or(place.len());
            json = json.get(&place[..end])?;
            place = &place[end..];
        }
    }
    Some(json)
}

fn values_of(args: Vec<Arg>) -> Vec<Val> {
    args.iter().map(Arg::to_val).collect()
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(500) })]

    #[test]
    fn values_come_back_from_json_text_as_they_were((text, value) in any_typed_value()) {
        let ty = ty(&text);
        let json = value_to_json(&ty, value.clone());
        prop_assert_eq!(value_from_json(&ty, &json), Ok(value.clone()));
        let read: Json = serde_json::from_str(&serde_json::to_string(&json)?)?;
        prop_assert_eq!(value_from_json(&ty, &read), Ok(value));
    }

    #[test]
    fn types_read_as_they_were_written_and_have_an_example(text in any_type()) {
        let ty = ty(&text);
        prop_assert_eq!(type_text(&ty), text);
        prop_assert_eq!(check_representable(&ty), Ok(()));
        let example = example(&ty);
        prop_assert!(value_from_json(&ty, &example).is_ok(), "{}", example);
        prop_assert!(arg_from_text("x", &ty, &example.to_string()).is_ok(), "{}", example);
    }

    #[test]
    fn a_complaint_points_at_a_value_of_the_input(
        (text, value) in any_typed_value(), number in any::<Index>(), other in any_json(),
    ) {
        let ty = ty(&text);
        let mut json = value_to_json(&ty, value.clone());
        let mut number = number.index(count_values(&json));
        replace(&mut json, &mut number, &other);
        if let Err(bad) = value_from_json(&ty, &json) {
            prop_assert!(at_place(&json, bad.place()).is_some(), "{} is not in {}", bad.place(), json);
            prop_assert!(!bad.problem().contains('\n') && bad.problem().chars().count() < 250, "{}", bad);
        }
    }

    #[test]
    fn whatever_is_taken_is_of_the_type_and_nothing_panics(text in any_type(), json in any_json()) {
        let ty = ty(&text);
        if let Ok(value) = value_from_json(&ty, &json) {
            prop_assert_eq!(value_from_json(&ty, &value_to_json(&ty, value.clone())), Ok(value));
        }
        let _ = arg_from_text("x", &ty, &json.to_string());
        let params = [("a".to_owned(), ty.clone()), ("first-name".to_owned(), ty)];
        for params in [&params[..0], &params[..1], &params] {
            if let Ok(args) = args_from_json("f", params, &json) {
                prop_assert_eq!(args.len(), params.len());
            }
        }
    }

    #[test]
    fn arguments_are_the_same_alone_by_position_and_by_name((text, value) in any_typed_value()) {
        let ty = ty(&text);
        let json = value_to_json(&ty, value.clone());
        let two = [("a".to_owned(), ty.clone()), ("first-name".to_owned(), ty)];
        let by_name = serde_json::json!({"first_name": json, "a": json});
        prop_assert_eq!(args_from_json("f", &two[..1], &json).map(values_of), Ok(vec![value.clone()]));
        let by_position = Json::from([json.clone(), json]);
        prop_assert_eq!(args_from_json("f", &two, &by_position).map(values_of), Ok(vec![value.clone(); 2]));
        prop_assert_eq!(args_from_json("f", &two, &by_name).map(values_of), Ok(vec![value; 2]));
    }
}
