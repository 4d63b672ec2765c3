//! What tasks can be called with, and what they return, by static types.

use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};

/// An argument that a task can be called with by static types: any component type that can be written into a guest, and
/// a [`Queue`](crate::Queue).
pub trait TaskArg: Send + Sync + 'static {
    /// What is written into the guest.
    type Wire: ComponentType + Lower + Clone + Send + Sync + 'static;

    /// Makes it what is written into the guest.
    fn wire(self) -> Self::Wire;
}

impl<T: ComponentType + Lower + Clone + Send + Sync + 'static> TaskArg for T {
    type Wire = T;

    fn wire(self) -> T {
        self
    }
}

/// A tuple of arguments that a task can be called with by static types; up to 12.
pub trait TaskArgs: Send + Sync + 'static {
    /// What is written into the guest. It is kept in case the call has to be run again.
    type Wire: WireArgs;

    /// Makes it what is written into the guest.
    fn wire(self) -> Self::Wire;
}

/// A tuple of what is written into a guest.
pub trait WireArgs: ComponentNamedList + Lower + Clone + Send + Sync + 'static {
    /// The same by reference, which the engine takes as well where it does not keep it.
    type Refs<'a>: ComponentNamedList + Lower + Send + Sync;

    /// Returns it by reference.
    fn refs(&self) -> Self::Refs<'_>;
}

macro_rules! tuples_of_args {
    ($(($($arg:ident $place:tt),*))+) => {$(
        impl<$($arg: TaskArg),*> TaskArgs for ($($arg,)*) {
            type Wire = ($($arg::Wire,)*);

            fn wire(self) -> Self::Wire {
                ($(self.$place.wire(),)*)
            }
        }

        impl<$($arg: ComponentType + Lower + Clone + Send + Sync + 'static),*> WireArgs for ($($arg,)*) {
            type Refs<'a> = ($(&'a $arg,)*);

            fn refs(&self) -> Self::Refs<'_> {
                ($(&self.$place,)*)
            }
        }
    )+};
}

impl TaskArgs for () {
    type Wire = ();

    fn wire(self) {}
}

impl WireArgs for () {
    type Refs<'a> = ();

    fn refs(&self) {}
}

tuples_of_args! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11)
}

/// A component type that can be read out of a guest.
pub trait TaskValue: Lift + Send + 'static {}

impl<T: Lift + Send + 'static> TaskValue for T {}
