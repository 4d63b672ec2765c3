//! How much the host copies out of a guest at once, which bounds answers and what imports are handed, and how much it
//! holds of an answer in other forms than the guest's own.
//!
//! The engine counts bytes as it copies. By static types those are about the values' own size. Where each value says
//! what it is, a byte takes as much as any value, and its JSON is larger still: that may be a multiple of the limit
//! and no more, so that no answer takes what was not given to it. How large an answer really is, its reader sees.

use crate::failure::{Failure, Oversized, TooLarge};
use crate::limits::Limits;
use crate::module::TaskModule;
use crate::values::held_percent;

/// Less than this is not taken for too large where the engine measures, because imports are handed as much.
const LEAST_COPY_BYTES: usize = 1 << 16;

/// How many times the limit an answer may take in the host's memory while it becomes JSON.
const HELD_TIMES: usize = 12;

/// How much the host copies out of the guests of one module at once, in bytes as the engine counts them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copying {
    /// While all calls are by static types.
    pub(crate) by_types: usize,
    /// While there is one whose values are copied one by one.
    pub(crate) one_by_one: usize,
}

impl Copying {
    /// Returns what is right for the heaviest answer of a module: guests choose what they answer with, and when.
    pub(crate) fn of(limits: &Limits, module: &TaskModule) -> Self {
        let tasks = module.tasks().iter().filter(|task| task.takes_json().is_ok());
        let heaviest = tasks.filter_map(|task| task.result_type().map(held_percent)).max();
        let by_types = typed_copy_bytes(limits);
        let one_by_one =
            heaviest.map_or(by_types, |percent| most_held_bytes(limits.answer_bytes) / percent * 100);
        Copying { by_types, one_by_one }
    }

    /// Returns what is right where no values are copied one by one.
    pub(crate) fn by_types_only(limits: &Limits) -> Self {
        let by_types = typed_copy_bytes(limits);
        Copying { by_types, one_by_one: by_types }
    }
}

/// Returns how much the host copies out of a guest at once where values have static types.
pub(crate) fn typed_copy_bytes(limits: &Limits) -> usize {
    limits.answer_bytes.max(LEAST_COPY_BYTES)
}

/// Checks the sizes of an answer that is to become JSON: its own, and that of the JSON in the host's memory.
///
/// # Errors
/// That it is too large.
pub(crate) fn check_answer(bytes: usize, json_bytes: usize, limit_bytes: usize) -> Result<(), Failure> {
    let too_large = |bytes| Failure::TooLarge(TooLarge { what: Oversized::Answer, bytes, limit_bytes });
    if bytes > limit_bytes {
        return Err(too_large(Some(bytes)));
    }
    if json_bytes > most_held_bytes(limit_bytes) { Err(too_large(None)) } else { Ok(()) }
}

fn most_held_bytes(answer_bytes: usize) -> usize {
    answer_bytes.max(LEAST_COPY_BYTES).saturating_mul(HELD_TIMES)
}
