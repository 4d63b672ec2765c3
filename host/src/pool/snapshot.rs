//! Snapshots without a pool: a component in, a component out whose memory holds what a function built.

use serde::Serialize;

use crate::error::PoolError;
use crate::event::{Event, Teller};
use crate::grants::Grants;
use crate::limits::Limits;
use crate::module::TaskModule;
use crate::pool::builder::listen;
use crate::pool::checks::bad;
use crate::pool::setting::{ModuleSetting, tuple_of_args};

/// How many lines of the function a slow listener may be behind.
const EVENT_BACKLOG: usize = 4096;

/// Takes a snapshot of a module as a component of its own, for any pool, any other component host, or to be
/// stored. A [`Pool`](crate::Pool) does the same by itself: see [`PoolBuilder::snapshot`](crate::PoolBuilder::snapshot)
/// for what a snapshot is and its hazards.
///
/// # Examples
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use wasmpool::{SnapshotMaker, TaskModule};
///
/// let module = TaskModule::from_file("words.wasm").await?;
/// let component = SnapshotMaker::new(module).function("load", ("en",)).make().await?;
/// std::fs::write("words-en.wasm", component)?;
/// # Ok(()) }
/// ```
#[must_use = "nothing runs until `make` is called"]
pub struct SnapshotMaker {
    setting: ModuleSetting,
    limits: Limits,
    on_event: Option<Box<dyn FnMut(Event) + Send>>,
}

impl SnapshotMaker {
    /// Starts with a module and its `#[snapshot]` function.
    pub fn new(module: TaskModule) -> Self {
        let setting = ModuleSetting::new(module.name().to_owned(), module);
        SnapshotMaker { setting, limits: Limits::default(), on_event: None }
    }

    /// Names an exported function instead, and gives its arguments, a tuple.
    pub fn function(mut self, task: impl Into<String>, args: impl Serialize) -> Self {
        self.setting.snapshot.function = Some(task.into());
        self.args(args)
    }

    /// Gives the function's arguments, a tuple.
    pub fn args(mut self, args: impl Serialize) -> Self {
        self.setting.snapshot.args = Some(tuple_of_args(args));
        self
    }

    /// Sets what the function may reach. Default: nothing.
    pub fn grants(mut self, grants: Grants) -> Self {
        self.setting.snapshot.grants = grants;
        self
    }

    /// Sets what it may use up; [`Limits::snapshot_time`] counts.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Calls `listener` with what the function prints, on a thread of its own.
    pub fn on_event(mut self, listener: impl FnMut(Event) + Send + 'static) -> Self {
        self.on_event = Some(Box::new(listener));
        self
    }

    /// Runs the function and returns the component, which does not export it any more.
    ///
    /// # Errors
    /// [`PoolError::BadSetting`] or [`PoolError::CannotSnapshot`].
    ///
    /// # Cancel safety
    /// Dropping the future ends the function.
    pub async fn make(self) -> Result<Vec<u8>, PoolError> {
        let teller = Teller::new(EVENT_BACKLOG);
        if let Some(listener) = self.on_event {
            listen(&teller, listener)?;
        }
        let run = self.setting.snapshot_run(&self.limits, &teller)?;
        let no_function = || {
            let module = &self.setting.name;
            bad("snapshot", format!("module `{module}` has no #[snapshot]; name a function with `function`"))
        };
        let made = run.ok_or_else(no_function)?.component().await;
        made.map_err(|untaken| self.setting.cannot_snapshot(untaken))
    }
}
