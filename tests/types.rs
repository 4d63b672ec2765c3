//! The types of the guest `basics` as an embedder writes them: records, enums and variants that travel by static
//! types. `User` can be told to panic when a worker clones it, which is the one way into a worker's thread that a
//! caller has.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use wasmtime::component::{ComponentType, Lift, Lower};

#[derive(Debug, PartialEq, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) age: u8,
    pub(crate) tags: Vec<String>,
    pub(crate) nick: Option<String>,
    pub(crate) address: Option<Address>,
}

#[derive(Clone, Debug, PartialEq, ComponentType, Lift, Lower)]
#[component(record)]
pub(crate) struct Address {
    pub(crate) lines: Vec<String>,
    pub(crate) place: (f64, f64),
    #[component(name = "type")]
    pub(crate) kind: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum Colour {
    #[component(name = "red")]
    Red,
    #[component(name = "deep-blue")]
    DeepBlue,
    #[component(name = "green")]
    Green,
}

/// The error of `fail-typed`.
#[derive(Clone, Debug, PartialEq, ComponentType, Lift, Lower)]
#[component(variant)]
pub(crate) enum Problem {
    #[component(name = "too-old")]
    TooOld(u8),
    #[component(name = "gone")]
    Gone,
}

/// How often the clone of a user of this name still panics in a worker.
static FUSES: LazyLock<Mutex<HashMap<String, u32>>> = LazyLock::new(Mutex::default);

impl User {
    pub(crate) fn called(name: impl Into<String>) -> Self {
        User { name: name.into(), age: 0, tags: Vec::new(), nick: None, address: None }
    }

    /// A user whose clones panic `times` times, when it is a worker that clones.
    pub(crate) fn that_panics(name: impl Into<String>, times: u32) -> Self {
        let user = User::called(name);
        FUSES.lock().expect("no holder of this lock panics").insert(user.name.clone(), times);
        user
    }

    fn burns(&self) -> bool {
        let is_worker = std::thread::current().name().is_some_and(|name| name.starts_with("wasmpool-"));
        let mut fuses = FUSES.lock().expect("no holder of this lock panics");
        match fuses.get_mut(&self.name) {
            Some(left) if is_worker && *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

impl Clone for User {
    fn clone(&self) -> Self {
        assert!(!self.burns(), "no clone of {}", self.name);
        User {
            name: self.name.clone(),
            age: self.age,
            tags: self.tags.clone(),
            nick: self.nick.clone(),
            address: self.address.clone(),
        }
    }
}
