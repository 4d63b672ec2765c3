#![expect(unused_variables, reason = "only signatures matter here")]

use wasmpool_guest::tasks;

#[tasks]
mod shop {
    pub struct Session;
    #[init]
    pub fn open_session() -> Session {
        Session
    }
    pub fn second(name: String, session: &Session) {}
    pub fn changed(session: &mut Session) {}
    #[snapshot]
    pub fn prepare(session: &Session) {}
}

fn main() {}
