//! From JSON to component values, by type.
//!
//! A value is taken only if it says exactly what the type can hold; every complaint tells what was
//! expected, what was found, and where. The recursion goes one level down the type with each call, and
//! the engine refuses types nested deeper than 100, so no input can exhaust the stack. Only types
//! that pass `check_representable` belong here.

use crate::values::bad_value::{BadValue, describe};
use crate::values::flat::FlatList;
use crate::values::names::{is_same_name, unknown_name};
use crate::values::scalars::{char_from_json, items_of};
use crate::values::scalars::{float32_from_json, float64_from_json, integer_from_json};
use crate::values::type_text::short_type_text;
use serde_json::{Map as JsonObject, Value as Json};
use wasmtime::component::types::{Enum, FixedLengthList, Flags, List, Map, OptionType, Record, ResultType};
use wasmtime::component::types::{Tuple, Variant};
use wasmtime::component::{Type, Val};

/// Returns the value of `ty` that `json` stands for.
///
/// # Errors
///
/// The first thing that does not fit, with its place inside `json`.
///
/// # Panics
///
/// If `ty` has no JSON; `check_representable` tells.
pub(crate) fn value_from_json(ty: &Type, json: &Json) -> Result<Val, BadValue> {
    match ty {
        Type::Bool => json.as_bool().map(Val::Bool).ok_or_else(|| BadValue::wrong_sort(ty, json)),
        Type::S8 => integer_from_json(ty, json).map(Val::S8),
        Type::U8 => integer_from_json(ty, json).map(Val::U8),
        Type::S16 => integer_from_json(ty, json).map(Val::S16),
        Type::U16 => integer_from_json(ty, json).map(Val::U16),
        Type::S32 => integer_from_json(ty, json).map(Val::S32),
        Type::U32 => integer_from_json(ty, json).map(Val::U32),
        Type::S64 => integer_from_json(ty, json).map(Val::S64),
        Type::U64 => integer_from_json(ty, json).map(Val::U64),
        Type::Float32 => float32_from_json(ty, json).map(Val::Float32),
        Type::Float64 => float64_from_json(ty, json).map(Val::Float64),
        Type::Char => char_from_json(ty, json).map(Val::Char),
        Type::String => string_from_json(ty, json).map(|text| Val::String(text.to_owned())),
        Type::List(list) => list_from_json(ty, list, json),
        Type::FixedLengthList(list) => fixed_list_from_json(ty, list, json),
        Type::Map(map) => map_from_json(ty, map, json),
        Type::Record(record) => record_from_json(ty, record, json),
        Type::Tuple(tuple) => tuple_from_json(ty, tuple, json),
        Type::Variant(variant) => variant_from_json(ty, variant, json),
        Type::Enum(names) => enum_from_json(ty, names, json),
        Type::Option(option) => option_from_json(ty, option, json),
        Type::Result(result) => result_from_json(ty, result, json),
        Type::Flags(flags) => flags_from_json(ty, flags, json),
        Type::Own(_) | Type::Borrow(_) | Type::Future(_) | Type::Stream(_) | Type::ErrorContext => {
            panic!("{} has no JSON, which check_representable tells", short_type_text(ty))
        }
    }
}

/// Returns what `read` makes of the values that `object` has for `members`, in their order.
/// A member of type `option` may be missing; nothing else may be in the object. `what` is what people call
/// a member.
pub(crate) fn members_from_json<T: From<Val>>(
    what: &str,
    members: &[(&str, Type)],
    object: &JsonObject<String, Json>,
    read: impl Fn(&Type, &Json) -> Result<T, BadValue>,
) -> Result<Vec<T>, BadValue> {
    let found: Vec<Option<(&String, &Json)>> =
        members.iter().map(|(name, _)| member_called(name, object)).collect();
    // A mistyped name is both unknown and missing; of the two complaints only the first can help.
    if found.iter().flatten().count() < object.len() {
        return Err(surplus_member(what, members, object));
    }
    let value_of = |((name, ty), found): (&(&str, Type), Option<(&String, &Json)>)| match (found, ty) {
        (Some((key, json)), _) => read(ty, json).map_err(|bad| bad.inside_key(key)),
        (None, Type::Option(_)) => Ok(Val::Option(None).into()),
        (None, _) => Err(BadValue::new(format!("{what} {name:?} is missing ({})", short_type_text(ty)))),
    };
    members.iter().zip(found).map(value_of).collect()
}

/// Finds a member by its WIT name or its name in snake_case.
fn member_called<'a>(name: &str, object: &'a JsonObject<String, Json>) -> Option<(&'a String, &'a Json)> {
    let in_snake_case = || name.contains('-').then(|| object.get_key_value(&name.replace('-', "_")))?;
    object.get_key_value(name).or_else(in_snake_case)
}

/// The complaint about an object that has more in it than `members`.
fn surplus_member(what: &str, members: &[(&str, Type)], object: &JsonObject<String, Json>) -> BadValue {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let is_unknown = |key: &&String| !names.iter().any(|name| is_same_name(name, key));
    BadValue::new(match object.keys().find(is_unknown) {
        Some(key) => unknown_name(what, key, &names),
        None => format!("one {what} is given twice, in kebab-case and in snake_case"),
    })
}

fn string_from_json<'a>(ty: &Type, json: &'a Json) -> Result<&'a str, BadValue> {
    json.as_str().ok_or_else(|| BadValue::wrong_sort(ty, json))
}

fn object_of<'a>(ty: &Type, json: &'a Json) -> Result<&'a JsonObject<String, Json>, BadValue> {
    json.as_object().ok_or_else(|| BadValue::wrong_sort(ty, json))
}

fn values_of(element: &Type, items: &[Json]) -> Result<Vec<Val>, BadValue> {
    let value_of = |(index, item)| value_from_json(element, item).map_err(|bad| bad.inside_item(index));
    items.iter().enumerate().map(value_of).collect()
}

fn list_from_json(ty: &Type, list: &List, json: &Json) -> Result<Val, BadValue> {
    let element = list.ty();
    match FlatList::from_json(ty, &element, json) {
        Some(numbers) => numbers.map(|numbers| numbers.to_val()),
        None => values_of(&element, items_of(ty, json)?).map(Val::List),
    }
}

fn fixed_list_from_json(ty: &Type, list: &FixedLengthList, json: &Json) -> Result<Val, BadValue> {
    let items = items_of(ty, json)?;
    check_length(ty, items, list.len() as usize)?;
    values_of(&list.ty(), items).map(Val::FixedLengthList)
}

fn tuple_from_json(ty: &Type, tuple: &Tuple, json: &Json) -> Result<Val, BadValue> {
    let items = items_of(ty, json)?;
    check_length(ty, items, tuple.types().len())?;
    let value_of = |(index, (ty, item)): (usize, (Type, &Json))| {
        value_from_json(&ty, item).map_err(|bad| bad.inside_item(index))
    };
    tuple.types().zip(items).enumerate().map(value_of).collect::<Result<_, _>>().map(Val::Tuple)
}

fn check_length(ty: &Type, items: &[Json], wanted: usize) -> Result<(), BadValue> {
    if items.len() == wanted {
        return Ok(());
    }
    let (ty, found) = (short_type_text(ty), items.len());
    Err(BadValue::new(format!("expected an array of {wanted} for {ty}, found one of {found}")))
}

/// Any map may be an array of pairs; an object does if its keys are strings.
fn map_from_json(ty: &Type, map: &Map, json: &Json) -> Result<Val, BadValue> {
    let (key_type, value_type) = (map.key(), map.value());
    let pairs = match (json, &key_type) {
        (Json::Object(object), Type::String) => {
            let pair_of = |(key, json): (&String, &Json)| match value_from_json(&value_type, json) {
                Ok(value) => Ok((Val::String(key.clone()), value)),
                Err(bad) => Err(bad.inside_key(key)),
            };
            object.iter().map(pair_of).collect::<Result<_, _>>()?
        }
        _ => {
            let pair_of = |(index, pair): (usize, &Json)| {
                pair_from_json(&key_type, &value_type, pair).map_err(|bad| bad.inside_item(index))
            };
            items_of(ty, json)?.iter().enumerate().map(pair_of).collect::<Result<_, _>>()?
        }
    };
    Ok(Val::Map(pairs))
}

fn pair_from_json(key_type: &Type, value_type: &Type, json: &Json) -> Result<(Val, Val), BadValue> {
    let Some([key, value]) = json.as_array().map(Vec::as_slice) else {
        return Err(BadValue::new(format!("expected a pair [key, value], found {}", describe(json))));
    };
    let key = value_from_json(key_type, key).map_err(|bad| bad.inside_item(0))?;
    let value = value_from_json(value_type, value).map_err(|bad| bad.inside_item(1))?;
    Ok((key, value))
}

fn record_from_json(ty: &Type, record: &Record, json: &Json) -> Result<Val, BadValue> {
    let object = object_of(ty, json)?;
    let fields: Vec<(&str, Type)> = record.fields().map(|field| (field.name, field.ty)).collect();
    let values = members_from_json("field", &fields, object, value_from_json)?;
    Ok(Val::Record(fields.iter().map(|(name, _)| (*name).to_owned()).zip(values).collect()))
}

fn variant_from_json(ty: &Type, variant: &Variant, json: &Json) -> Result<Val, BadValue> {
    let (given, payload) = match json {
        Json::String(given) => (given, None),
        _ => only_member(ty, json).map(|(given, payload)| (given, Some(payload)))?,
    };
    let Some(case) = variant.cases().find(|case| is_same_name(case.name, given)) else {
        let names: Vec<&str> = variant.cases().map(|case| case.name).collect();
        return Err(BadValue::new(unknown_name("case", given, &names)));
    };
    let payload = match (&case.ty, payload) {
        (None, None) => None,
        (ty, Some(json)) => payload_from_json(ty.as_ref(), json).map_err(|bad| bad.inside_key(given))?,
        (Some(ty), None) => {
            let (name, ty) = (case.name, short_type_text(ty));
            return Err(BadValue::new(format!("case {name:?} has a payload: expected {{{name:?}: {ty}}}")));
        }
    };
    Ok(Val::Variant(case.name.to_owned(), payload))
}

/// Returns the payload of a case, which is `null` for a case without.
fn payload_from_json(ty: Option<&Type>, json: &Json) -> Result<Option<Box<Val>>, BadValue> {
    match (ty, json) {
        (Some(ty), _) => value_from_json(ty, json).map(|value| Some(Box::new(value))),
        (None, Json::Null) => Ok(None),
        (None, _) => Err(BadValue::new(format!("expected null, found {}", describe(json)))),
    }
}

/// Returns what an object of one member has.
fn only_member<'a>(ty: &Type, json: &'a Json) -> Result<(&'a String, &'a Json), BadValue> {
    let mut members = json.as_object().into_iter().flatten();
    match (members.next(), members.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(BadValue::wrong_sort(ty, json)),
    }
}

fn enum_from_json(ty: &Type, names: &Enum, json: &Json) -> Result<Val, BadValue> {
    let given = string_from_json(ty, json)?;
    match names.names().find(|name| is_same_name(name, given)) {
        Some(name) => Ok(Val::Enum(name.to_owned())),
        None => Err(BadValue::new(unknown_name("case", given, &names.names().collect::<Vec<_>>()))),
    }
}

/// `null` is none. Where the inner type is an option itself, `null` could be meant for either, so there
/// a value stands in `{"some": …}`.
fn option_from_json(ty: &Type, option: &OptionType, json: &Json) -> Result<Val, BadValue> {
    let inner = option.ty();
    let value = match (&inner, json) {
        (_, Json::Null) => return Ok(Val::Option(None)),
        (Type::Option(_), _) => match only_member(ty, json)? {
            (key, json) if key == "some" => {
                value_from_json(&inner, json).map_err(|bad| bad.inside_key("some"))?
            }
            _ => return Err(BadValue::wrong_sort(ty, json)),
        },
        _ => value_from_json(&inner, json).map_err(|bad| match bad.is_wrong_sort_at_once() {
            true => BadValue::wrong_sort(ty, json),
            false => bad,
        })?,
    };
    Ok(Val::Option(Some(Box::new(value))))
}

fn result_from_json(ty: &Type, result: &ResultType, json: &Json) -> Result<Val, BadValue> {
    let (key, json_payload) = only_member(ty, json)?;
    let payload =
        |ty: Option<Type>| payload_from_json(ty.as_ref(), json_payload).map_err(|bad| bad.inside_key(key));
    match key.as_str() {
        "ok" => Ok(Val::Result(Ok(payload(result.ok())?))),
        "err" => Ok(Val::Result(Err(payload(result.err())?))),
        _ => Err(BadValue::wrong_sort(ty, json)),
    }
}

/// Flags come in any order, and leave in that of their type.
fn flags_from_json(ty: &Type, flags: &Flags, json: &Json) -> Result<Val, BadValue> {
    let mut given = Vec::new();
    for (index, item) in items_of(ty, json)?.iter().enumerate() {
        let name = string_from_json(&Type::String, item).map_err(|bad| bad.inside_item(index))?;
        let Some(position) = flags.names().position(|flag| is_same_name(flag, name)) else {
            let unknown = unknown_name("flag", name, &flags.names().collect::<Vec<_>>());
            return Err(BadValue::new(unknown).inside_item(index));
        };
        given.push(position);
    }
    given.sort_unstable();
    given.dedup();
    let names: Vec<&str> = flags.names().collect();
    Ok(Val::Flags(given.into_iter().map(|position| names[position].to_owned()).collect()))
}

#[cfg(test)]
mod tests;
