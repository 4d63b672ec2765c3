//! Which granted folder a guest's handle is in, so that a refused change can name the flag that would allow it. What
//! is refused is WASI's own business; here is only what to say about it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::failure::Denial;

/// The folders of one sandbox.
#[derive(Debug)]
pub(crate) struct Folders {
    /// The flags that would allow changes where they are not allowed yet, in the order of the grants.
    flags: Arc<[Option<String>]>,
    /// By the numbers that guests have for their handles, which are used again.
    handles: Mutex<HashMap<u32, usize>>,
}

impl Folders {
    /// Starts with what is granted, by the flags that would allow changes.
    pub(crate) fn granted(flags: Arc<[Option<String>]>) -> Self {
        Folders { flags, handles: Mutex::default() }
    }

    /// Notes that the guest got these handles of the granted folders, in their order.
    pub(crate) fn handed_out(&self, handles: impl Iterator<Item = u32>) {
        self.handles().extend(handles.enumerate().map(|(index, handle)| (handle, index)));
    }

    /// Notes that a handle was opened by way of another.
    pub(crate) fn opened(&self, by: u32, handle: u32) {
        let mut handles = self.handles();
        match handles.get(&by).copied() {
            Some(index) => handles.insert(handle, index),
            None => handles.remove(&handle),
        };
    }

    /// Says what a refused change lacked.
    pub(crate) fn denial(&self, handle: u32) -> Option<Denial> {
        let index = *self.handles().get(&handle)?;
        let flag = self.flags.get(index)?.as_ref()?;
        let wanted = format!("changes in the folder {}", folder_of(flag));
        Some(Denial::of(wanted, flag.clone()))
    }

    fn handles(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.handles.lock().expect("no holder of this lock panics")
    }
}

/// The guest's name for the folder of `--dir HOST::GUEST:rw`.
fn folder_of(flag: &str) -> &str {
    let guest = flag.rsplit_once("::").map_or(flag, |(_, guest)| guest);
    guest.strip_suffix(":rw").unwrap_or(guest)
}
