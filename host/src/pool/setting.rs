//! What is set for each module of a pool, and how that becomes the blueprint of its sandboxes.

use serde::Serialize;
use serde_json::Value;

use crate::error::PoolError;
use crate::event::Teller;
use crate::limits::Limits;
use crate::module::TaskModule;
use crate::sandbox::blueprint::{Blueprint, Initializer};
use crate::sandbox::engine::PoolEngine;
use crate::sandbox::prepare::positional;

/// A module and its own settings.
#[derive(Clone)]
pub(crate) struct ModuleSetting {
    pub(crate) name: String,
    pub(crate) module: TaskModule,
    pub(crate) initializer: Option<String>,
    pub(crate) init_args: Option<Args>,
}

/// The arguments of a function that runs before all calls, or what is wrong with them.
pub(crate) type Args = Result<Vec<Value>, String>;

impl ModuleSetting {
    pub(crate) fn new(name: String, module: TaskModule) -> Self {
        ModuleSetting { name, module, initializer: None, init_args: None }
    }

    /// Checks the settings and makes everything that sandboxes of the module have in common.
    ///
    /// # Errors
    /// [`PoolError::BadSetting`] or [`PoolError::CannotOpen`].
    pub(crate) async fn draw(
        &self,
        engine: &PoolEngine,
        limits: &Limits,
        teller: &Teller,
    ) -> Result<Blueprint, PoolError> {
        let initializer = self.checked_initializer()?;
        let name = self.name.as_str().into();
        Blueprint::draw(
            engine.engine(),
            name,
            self.module.clone(),
            initializer,
            limits.clone(),
            teller.clone(),
        )
    }

    /// Finds the initializer and fits its arguments to its parameters.
    fn checked_initializer(&self) -> Result<Option<Initializer>, PoolError> {
        let info = match &self.initializer {
            Some(name) => Some(
                self.module.task(name).ok_or_else(|| bad("initializer", self.module.unknown_task(name)))?,
            ),
            None => self.module.initializer(),
        };
        let Some(info) = info else {
            return match &self.init_args {
                None => Ok(None),
                Some(_) => Err(bad(
                    "init_args",
                    format!("module `{}` has no #[init]; name a function with `initializer`", self.name),
                )),
            };
        };
        let args = match &self.init_args {
            None => Vec::new(),
            Some(Ok(args)) => args.clone(),
            Some(Err(problem)) => return Err(bad("init_args", problem)),
        };
        let fitted = positional(info, &args).map_err(|problem| {
            bad("init_args", format!("{problem}; the initializer is `{}`", info.signature()))
        })?;
        Ok(Some(Initializer { task: info.clone(), args: fitted }))
    }
}

/// Turns a tuple of arguments into JSON.
pub(crate) fn tuple_of_args(args: impl Serialize) -> Args {
    match serde_json::to_value(args) {
        Ok(Value::Array(args)) => Ok(args),
        Ok(Value::Null) => Ok(Vec::new()),
        Ok(_) => Err("expected a tuple of all arguments, such as `(2_000u32,)`".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn bad(setting: &'static str, problem: impl Into<String>) -> PoolError {
    PoolError::BadSetting { setting, problem: problem.into() }
}

pub(crate) fn in_range(
    setting: &'static str,
    value: usize,
    least: usize,
    most: usize,
) -> Result<usize, PoolError> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(bad(setting, format!("{value} is not in {least}..={most}")))
}
