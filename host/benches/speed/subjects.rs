//! What is measured: the guests, built from source, as modules for the pool and as files for the bare engine.

use std::path::PathBuf;

use wasmpool::TaskModule;

use crate::guests::guest;
use crate::pooled::block_on;

/// The guests of `tests/guests/speed` and `tests/guests/speed-plain`.
pub(crate) struct Subjects {
    /// Async exports.
    pub(crate) speed: Subject,
    /// Sync exports only.
    pub(crate) plain: Subject,
}

/// One guest.
pub(crate) struct Subject {
    pub(crate) file: PathBuf,
    pub(crate) module: TaskModule,
}

impl Subjects {
    pub(crate) fn build() -> Self {
        Subjects { speed: Subject::build("speed"), plain: Subject::build("speed-plain") }
    }
}

impl Subject {
    fn build(name: &str) -> Self {
        let file = guest(name);
        let module = block_on(TaskModule::from_file(&file)).expect("the guest loads");
        Subject { file, module }
    }
}
