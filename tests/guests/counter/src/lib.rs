//! Tasks that tell sandboxes apart, count their calls, and take memory.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use wasmpool_guest::{tasks, time};

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static NAME: OnceCell<u64> = const { OnceCell::new() };
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

fn count() -> (u64, u32) {
    CALLS.set(CALLS.get() + 1);
    let name = NAME.with(|name| *name.get_or_init(|| RandomState::new().hash_one(0)));
    (name, CALLS.get())
}

/// Counts calls.
#[tasks]
mod counter {
    use super::*;

    /// This sandbox's name, and how many calls it has seen, this one included.
    pub fn visit() -> (u64, u32) {
        count()
    }

    /// Like `visit`, and answers after `ms` milliseconds.
    pub async fn stay(ms: u32) -> (u64, u32) {
        let visit = count();
        time::sleep(Duration::from_millis(ms.into())).await;
        visit
    }

    /// Like `visit`, and keeps `kib` KiB more from now on.
    pub fn keep(kib: u32) -> (u64, u32) {
        KEPT.with_borrow_mut(|kept| kept.push(vec![1; kib as usize * 1024]));
        count()
    }

    /// Like `visit`, after it blocked the sandbox for `ms` milliseconds.
    pub fn block(ms: u32) -> (u64, u32) {
        std::thread::sleep(Duration::from_millis(ms.into()));
        count()
    }

    /// Like `visit`, after it computed for about `ms` milliseconds.
    pub fn compute(ms: u32) -> (u64, u32) {
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(ms.into()) {
            std::hint::black_box(ms);
        }
        count()
    }

    /// Like `visit`, at once; but 1 to 9 answers after as many milliseconds, 10 to 19 computes for as many before, and
    /// from 20 on it panics.
    pub async fn pass(what: u32) -> (u64, u32) {
        match what {
            0 => count(),
            1..10 => stay(what).await,
            10..20 => compute(what),
            _ => panic!("panicked on purpose"),
        }
    }

    /// Panics after `ms` milliseconds.
    pub async fn spoil(ms: u32) -> (u64, u32) {
        time::sleep(Duration::from_millis(ms.into())).await;
        panic!("spoiled on purpose")
    }
}
