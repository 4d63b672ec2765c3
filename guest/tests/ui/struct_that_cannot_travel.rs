#![expect(unused_variables, reason = "only signatures matter here")]

use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub struct Id(u64);
    pub struct Empty {}
    pub struct Wrapper<T> {
        pub inner: T,
    }
    struct Private {
        inner: u8,
    }
    pub fn id(id: Id) {}
    pub fn empty(empty: Empty) {}
    pub fn wrapper(wrapper: Wrapper<u8>) {}
    pub fn private() -> Private {
        Private { inner: 0 }
    }
}

fn main() {}
