//! Lists of numbers as they lie in a guest's memory.
//!
//! A [`Val`] takes many times the room of the byte it stands for, so lists of numbers are packed wherever they
//! stand alone: as an argument, or as an answer. Inside other values they are lists of values like all lists. How
//! a number is written in JSON is told in `scalars`; here it is told once which Rust type goes with which
//! component type.

use crate::values::bad_value::BadValue;
use crate::values::scalars::{base64_of, bytes_from_base64};
use crate::values::scalars::{float32_from_json, float32_to_json, float64_from_json, float64_to_json};
use crate::values::scalars::{integer_from_json, items_of};
use crate::values::size::{JSON_CELL_BYTES, size_of_base64};
use serde_json::Value as Json;
use wasmtime::component::{Type, Val};

/// A number that has a component type.
pub(crate) trait Number: Copy + Send + Sync + 'static {
    /// Its component type.
    const TYPE: Type;

    /// Returns the number that `json` is.
    fn from_json(json: &Json) -> Result<Self, BadValue>;

    /// Returns the number as JSON.
    fn to_json(self) -> Json;

    /// Returns the number as a value.
    fn to_val(self) -> Val;

    /// Returns the number that `value` is, if it is of this type.
    fn of_val(value: &Val) -> Option<Self>;

    /// Returns a list of such numbers.
    fn list_of(items: Vec<Self>) -> FlatList;

    /// Returns the numbers of `list`, if they are of this type.
    fn items_of(list: FlatList) -> Option<Vec<Self>>;
}

/// Declares [`FlatList`]: each number is written down once, with its case and the two ways of its JSON.
macro_rules! flat_lists {
    ($($case:ident($number:ident, $from_json:path, $to_json:path);)+) => {
        /// A list of numbers.
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum FlatList {
            $($case(Vec<$number>),)+
        }

        $(impl Number for $number {
            const TYPE: Type = Type::$case;

            fn from_json(json: &Json) -> Result<Self, BadValue> {
                $from_json(&Self::TYPE, json)
            }

            fn to_json(self) -> Json {
                $to_json(self)
            }

            fn to_val(self) -> Val {
                Val::$case(self)
            }

            fn of_val(value: &Val) -> Option<Self> {
                match value {
                    Val::$case(number) => Some(*number),
                    _ => None,
                }
            }

            fn list_of(items: Vec<Self>) -> FlatList {
                FlatList::$case(items)
            }

            fn items_of(list: FlatList) -> Option<Vec<Self>> {
                match list {
                    FlatList::$case(items) => Some(items),
                    _ => None,
                }
            }
        })+

        impl FlatList {
            /// Returns the list that `json` stands for, where `ty` is the type of lists of `element`; `None` if those
            /// are no numbers.
            pub(crate) fn from_json(ty: &Type, element: &Type, json: &Json) -> Option<Result<Self, BadValue>> {
                match (element, json) {
                    (Type::U8, Json::String(text)) => Some(bytes_from_base64(text).map(FlatList::U8)),
                    $((Type::$case, _) => Some(numbers_from_json(ty, json).map(FlatList::$case)),)+
                    _ => None,
                }
            }

            /// Returns the list as JSON: base64 for bytes, else an array.
            pub(crate) fn to_json(&self) -> Json {
                if let FlatList::U8(bytes) = self {
                    return Json::from(base64_of(bytes));
                }
                match self {
                    $(FlatList::$case(items) => items.iter().copied().map(Number::to_json).collect(),)+
                }
            }

            /// Returns the list as the engine takes it by types that are not known before.
            pub(crate) fn to_val(&self) -> Val {
                match self {
                    $(FlatList::$case(items) => Val::List(items.iter().copied().map(Number::to_val).collect()),)+
                }
            }

            /// Returns what the list takes in the host's memory as JSON, in bytes.
            pub(crate) fn size_as_json(&self) -> usize {
                if let FlatList::U8(bytes) = self {
                    return JSON_CELL_BYTES + size_of_base64(bytes.len());
                }
                match self {
                    $(FlatList::$case(items) => (1 + items.len()).saturating_mul(JSON_CELL_BYTES),)+
                }
            }

            /// Returns its size in a guest's memory, in bytes.
            pub(crate) fn size(&self) -> usize {
                match self {
                    $(FlatList::$case(items) => size_of_val(items.as_slice()),)+
                }
            }
        }
    };
}

flat_lists! {
    U8(u8, integer_from_json, Json::from);
    S8(i8, integer_from_json, Json::from);
    U16(u16, integer_from_json, Json::from);
    S16(i16, integer_from_json, Json::from);
    U32(u32, integer_from_json, Json::from);
    S32(i32, integer_from_json, Json::from);
    U64(u64, integer_from_json, Json::from);
    S64(i64, integer_from_json, Json::from);
    Float32(f32, float32_from_json, float32_to_json);
    Float64(f64, float64_from_json, float64_to_json);
}

fn numbers_from_json<T: Number>(ty: &Type, json: &Json) -> Result<Vec<T>, BadValue> {
    let number = |(index, item)| T::from_json(item).map_err(|bad| bad.inside_item(index));
    items_of(ty, json)?.iter().enumerate().map(number).collect()
}
