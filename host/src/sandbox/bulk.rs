//! The menu of calls by JSON that go by static types all the same, because their bytes and numbers lie side by side
//! in the guest's memory: one copy carries them over.
//!
//! The engine knows two ways to call a function. By static types a byte is a byte; where each value says what it is,
//! a byte takes as much memory as any value, and is looked at one by one. Static types have to be written down, and
//! each pair of parameters and result is a piece of machine code of its own. So here is what tasks for bytes and
//! numbers usually look like, and all other signatures are [`Dynamic`]. To callers there is no difference but time
//! and memory.

use std::sync::Arc;

use wasmtime::component::Type;

use crate::module::TaskInfo;
use crate::outcome::TaskError;
use crate::sandbox::dynamic::Dynamic;
use crate::sandbox::invoke::Invocation;
use crate::sandbox::shapes::{Bytes, List, Params, Results, Text};
use crate::sandbox::typed::Typed;
use crate::values::Arg;

/// Makes calls of a task's number and the arguments of each.
pub(crate) type Make = Box<dyn Fn(usize, Vec<Vec<Arg>>) -> Arc<dyn Invocation> + Send + Sync>;

/// Returns how calls of a task by JSON are made.
pub(crate) fn course(task: &TaskInfo) -> Make {
    if let Some(make) = of_task(task) {
        return Box::new(make);
    }
    let result = task.result_type().cloned();
    Box::new(move |task, args| Arc::new(Dynamic { task, args, result: result.clone() }))
}

/// Returns true if the lists that a task takes stay as they are on their way into the guest.
pub(crate) fn is_on_the_menu(task: &TaskInfo) -> bool {
    of_task(task).is_some()
}

/// Returns how calls are made with the static types of an entry, if they are those of a task.
type Entry = fn(&[Type], Option<&Type>) -> Option<StaticMake>;

type StaticMake = fn(usize, Vec<Vec<Arg>>) -> Arc<dyn Invocation>;

/// Writes the menu: each tuple of parameters before an arrow, with each tuple of results after it.
macro_rules! menu {
    ($([$($params:ty),+] -> $results:tt;)+) => { &[$($(menu!(@row $params, $results)),+),+] };
    (@row $params:ty, [$($results:ty),+]) => { &[$(entry::<$params, $results> as Entry),+] };
}

/// Writes the same for each sort of number.
macro_rules! menu_of_numbers {
    ($($number:ty),+) => {
        menu! { $(
            [(List<$number>,)] -> [(Vec<$number>,), (Result<Vec<$number>, TaskError>,), (f64,)];
        )+ }
    };
}

const BYTES: &[&[Entry]] = menu! {
    [(), (u32,), (u64,), (Text,), (Text, u32), (Text, Text)] ->
        [(Vec<u8>,), (Result<Vec<u8>, TaskError>,), (Result<Vec<u8>, String>,)];
    [(Bytes,), (Bytes, Bytes), (Text, Bytes), (Bytes, Text), (Bytes, u32), (Bytes, u32, u32)] ->
        [(Vec<u8>,), (Result<Vec<u8>, TaskError>,), (Result<Vec<u8>, String>,)];
    [(Bytes,), (Text, Bytes)] ->
        [(), (bool,), (u32,), (u64,), (String,)];
    [(Bytes,), (Text, Bytes)] ->
        [(Result<(), TaskError>,), (Result<u32, TaskError>,), (Result<u64, TaskError>,),
         (Result<String, TaskError>,)];
};

const NUMBERS: &[&[Entry]] = menu_of_numbers!(i8, u16, i16, u32, i32, u64, i64, f32, f64);

fn of_task(task: &TaskInfo) -> Option<StaticMake> {
    let params: Vec<Type> = task.params().iter().map(|param| param.ty.clone()).collect();
    on_the_menu(&params, task.result_type())
}

fn on_the_menu(params: &[Type], result: Option<&Type>) -> Option<StaticMake> {
    BYTES.iter().chain(NUMBERS).copied().flatten().find_map(|entry| entry(params, result))
}

fn entry<P: Params, R: Results>(params: &[Type], result: Option<&Type>) -> Option<StaticMake> {
    (P::are(params) && R::are(result)).then_some(make::<P, R>)
}

fn make<P: Params, R: Results>(task: usize, args: Vec<Vec<Arg>>) -> Arc<dyn Invocation> {
    let params = |args| P::of(args).expect("arguments have been fitted to these types");
    Arc::new(Typed { task, params: args.into_iter().map(params).collect(), conclude: R::conclude })
}

#[cfg(test)]
mod tests {
    use super::on_the_menu;
    use crate::values::testing::ty;

    const TASK_ERROR: &str =
        "record { message: string, causes: list<string>, permanent: bool, retry-after-ms: option<u64> }";

    #[test]
    fn the_usual_signatures_for_bytes_and_numbers_are_on_the_menu() {
        let with_task_error = |ok: &str| format!("result<{ok}, {TASK_ERROR}>");
        for (params, result, is_on) in [
            ("list<u8>", "list<u8>", true),
            ("list<u8>, u32, u32", &*with_task_error("list<u8>"), true),
            ("string, list<u8>", &*with_task_error("_"), true),
            ("", "result<list<u8>, string>", true),
            ("list<u8>", "", true),
            ("list<f32>", "list<f32>", true),
            ("list<u64>", &*with_task_error("list<u64>"), true),
            ("list<u64>", "list<s64>", false),
            ("list<s8>", "list<u8>", false),
            ("list<u8>", "result<list<u8>>", false),
            ("list<u8>", "result<list<u8>, record { message: string }>", false),
            ("list<bool>", "list<bool>", false),
            ("u32", "u32", false),
        ] {
            let params: Vec<_> = params.split(", ").filter(|text| !text.is_empty()).map(ty).collect();
            let result = Some(result).filter(|text| !text.is_empty()).map(ty);
            assert_eq!(on_the_menu(&params, result.as_ref()).is_some(), is_on, "{params:?} -> {result:?}");
        }
    }
}
