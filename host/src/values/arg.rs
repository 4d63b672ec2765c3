//! One argument of a call, from wherever it is read until it goes into a guest.
//!
//! It is kept as small as it can be, for calls wait, and are run again: a list of numbers is packed, whatever
//! form the engine wants it in at last.

use crate::values::bad_value::BadValue;
use crate::values::flat::FlatList;
use crate::values::from_json::value_from_json;
use crate::values::size::size_of_values;
use crate::values::to_json::value_to_json;
use serde_json::Value as Json;
use wasmtime::component::{Type, Val};

/// One argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Arg {
    /// A list of numbers.
    List(FlatList),
    /// Anything else.
    Val(Val),
}

impl Arg {
    /// Returns the argument of type `ty` that `json` stands for.
    ///
    /// # Errors
    ///
    /// As [`value_from_json`].
    pub(crate) fn from_json(ty: &Type, json: &Json) -> Result<Self, BadValue> {
        let list = match ty {
            Type::List(list) => FlatList::from_json(ty, &list.ty(), json),
            _ => None,
        };
        list.map_or_else(|| value_from_json(ty, json).map(Arg::Val), |list| list.map(Arg::List))
    }

    /// Returns the argument, which is of type `ty`, as JSON.
    pub(crate) fn to_json(&self, ty: &Type) -> Json {
        match self {
            Arg::List(list) => list.to_json(),
            Arg::Val(value) => value_to_json(ty, value.clone()),
        }
    }

    /// Returns the argument as the engine takes it by types that are not known before.
    pub(crate) fn to_val(&self) -> Val {
        match self {
            Arg::List(list) => list.to_val(),
            Arg::Val(value) => value.clone(),
        }
    }

    /// Returns its size in bytes: about what it takes in a guest's memory.
    pub(crate) fn size(&self) -> usize {
        match self {
            Arg::List(list) => list.size(),
            Arg::Val(value) => size_of_values([value]),
        }
    }
}

impl From<Val> for Arg {
    fn from(value: Val) -> Self {
        Arg::Val(value)
    }
}
