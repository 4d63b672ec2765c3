//! HTTP for guests: WASI HTTP 0.2 and 0.3 come to one hook, which asks whether the origin is granted, and from there to
//! the pool's desk. That has a client for origins that are granted by name and one for the public internet, whose
//! connections live on a thread of their own: on a worker's, a guest that computes would keep the others' answers from
//! them.

mod body;
mod io_thread;
mod connect;
mod errors;
mod client;
mod loan;
pub(crate) mod lanes;
pub(crate) mod desk;
pub(crate) mod hooks;
