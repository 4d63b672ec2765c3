//! The whole house from outside: real guests built from source, the library as an embedder uses it, the
//! command as an operator does.

mod guests;
mod rooms;
mod readme;
mod service;
