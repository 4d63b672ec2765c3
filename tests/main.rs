//! The whole house from outside: real guests built from source, the library as an embedder uses it, the
//! command as an operator does.

mod guests;
mod support;
mod rooms;
mod blame;
mod capacity;
mod ends;
mod cancel;
mod spread;
mod readme;
mod service;
