#![expect(unused_variables, reason = "only signatures matter here")]

use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub fn any<T>(value: T) {}
    pub fn pair((a, b): (u8, u8)) {}
    pub unsafe fn danger() {}
    pub extern "C" fn foreign() {}
    pub const fn constant() {}
    pub fn method(self) {}
    #[cfg(unix)]
    pub fn sometimes() {}
}

fn main() {}
