//! How much the host copies out of a guest at once, which bounds answers and what imports are handed.

use wasmtime::component::Val;

use crate::limits::Limits;

/// Less than this is not taken for too large where the engine measures, because imports are handed as much.
const LEAST_COPY_BYTES: usize = 1 << 16;

/// Returns how much the host copies out of a guest at once where values have static types: about their own size.
pub(crate) fn typed_copy_bytes(limits: &Limits) -> usize {
    limits.answer_bytes.max(LEAST_COPY_BYTES)
}

/// Returns how much the host copies out of a guest at once where each value says what it is. A byte of a list takes as
/// much as any value then; how large the answer really is, its reader sees.
pub(crate) fn json_copy_bytes(limits: &Limits) -> usize {
    typed_copy_bytes(limits).saturating_mul(size_of::<Val>())
}
