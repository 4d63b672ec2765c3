//! Tasks whose calls are measured by `cargo bench --bench speed`, as sync exports: nothing here is async, so a host may
//! run the module on an engine without concurrency support. They do next to nothing, pass bytes through, compute, or
//! look up a number in a table that takes long to make.

use std::cell::RefCell;

use wasmpool_guest::tasks;

mod work;

thread_local! {
    static TABLE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Measured tasks with sync exports.
#[tasks]
mod speed_plain {
    use super::*;

    /// Sum of `a` and `b`, wrapping around.
    pub fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    /// Returns `bytes`.
    pub fn echo(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    /// Computes for so many rounds.
    pub fn busy(rounds: u64) -> u64 {
        work::busy(rounds)
    }

    /// Makes the table, for a snapshot or as initializer: so many numbers, each a hash of so many rounds of its place.
    pub fn make_table(numbers: u32, rounds: u32) {
        TABLE.set((0..numbers).map(|place| work::hash(place, rounds)).collect());
    }

    /// Number of the table at this place.
    pub fn lookup(place: u32) -> Option<u64> {
        TABLE.with_borrow(|table| table.get(place as usize).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::{speed_plain, work};

    #[test]
    fn the_table_holds_hashes_of_places() {
        speed_plain::make_table(10, 3);
        assert_eq!(speed_plain::lookup(9), Some(work::hash(9, 3)));
        assert_eq!(speed_plain::lookup(10), None);
    }
}
