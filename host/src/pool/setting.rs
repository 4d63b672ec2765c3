//! What is set for each module of a pool, and how that becomes the blueprint of its sandboxes.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::error::PoolError;
use crate::event::{Event, Teller};
use crate::grants::Grants;
use crate::limits::Limits;
use crate::module::{EngineKind, TaskInfo, TaskModule};
use crate::own_thread::on_own_thread;
use crate::pool::checks::bad;
use crate::sandbox::blueprint::{Blueprint, Foundation};
use crate::sandbox::engine::{PoolEngine, PoolEngines};
use crate::sandbox::forerunner::{Forerunner, Role};
use crate::sandbox::own_imports::Provisions;
use crate::sandbox::prepare::positional;
use crate::sandbox::snapshot::{SnapshotRun, Untaken};

/// A module and its own settings.
#[derive(Clone)]
pub(crate) struct ModuleSetting {
    pub(crate) name: String,
    pub(crate) module: TaskModule,
    pub(crate) initializer: Option<String>,
    pub(crate) init_args: Option<Args>,
    pub(crate) snapshot: SnapshotSetting,
    /// The pool's, the same for all its modules.
    pub(crate) grants: Grants,
    /// The pool's, the same for all its modules.
    pub(crate) cache_dir: Option<PathBuf>,
    /// The pool's, the same for all its modules.
    pub(crate) provisions: Provisions,
}

/// What a new module is set up with: what its predecessor was. One is replaced at a time.
pub(crate) struct Replacements {
    pub(crate) modules: Vec<ModuleSetting>,
    pub(crate) limits: Limits,
}

/// How a module's snapshot is to be taken.
#[derive(Clone, Default)]
pub(crate) struct SnapshotSetting {
    pub(crate) function: Option<String>,
    pub(crate) args: Option<Args>,
    pub(crate) is_required: bool,
    pub(crate) grants: Grants,
}

/// The arguments of a function that runs before all calls, or what is wrong with them.
pub(crate) type Args = Result<Vec<Value>, String>;

/// The words of the settings of a function that runs before all calls.
struct Words {
    function: &'static str,
    args: &'static str,
    role: &'static str,
    attribute: &'static str,
}

const INITIALIZER: Words =
    Words { function: "initializer", args: "init_args", role: "initializer", attribute: "#[init]" };
const SNAPSHOT: Words = Words {
    function: "snapshot",
    args: "snapshot_args",
    role: "snapshot function",
    attribute: "#[snapshot]",
};

impl ModuleSetting {
    pub(crate) fn new(name: String, module: TaskModule) -> Self {
        ModuleSetting {
            name,
            module,
            initializer: None,
            init_args: None,
            snapshot: SnapshotSetting::default(),
            grants: Grants::none(),
            cache_dir: None,
            provisions: Provisions::none(),
        }
    }

    /// Checks the settings and makes everything that sandboxes of the module have in common, its snapshot too.
    ///
    /// # Errors
    /// [`PoolError::BadSetting`], [`PoolError::CannotSnapshot`] or [`PoolError::CannotOpen`].
    pub(crate) async fn draw(
        &self,
        engines: &PoolEngines,
        limits: &Limits,
        teller: &Teller,
    ) -> Result<Blueprint, PoolError> {
        let initializer = self.checked_initializer()?;
        expect_usable("grants", &self.grants)?;
        let engine = engines.of(self.engine_kind());
        let engine = engine.map_err(|reason| PoolError::CannotOpen { module: self.name.clone(), reason })?;
        let foundation = match self.snapshot_run(limits, teller)? {
            None => self.bare_foundation(&engine, Vec::new()).await?,
            Some(run) => self.snapshot_foundation(run, &engine, teller).await?,
        };
        let forerunners = foundation.forerunners.into_iter().chain(initializer).collect();
        let foundation = Foundation { forerunners, ..foundation };
        Blueprint::draw(engine, foundation, limits.clone(), teller.clone())
    }

    /// Returns on which kind of engine the module runs. What the embedder adds may be async, whatever the module is.
    pub(crate) fn engine_kind(&self) -> EngineKind {
        match self.provisions.imports.is_empty() {
            true => self.module.engine_kind(),
            false => EngineKind::Concurrent,
        }
    }

    /// Maps the module's own code, which is compiled first if the cache was emptied since it was loaded.
    async fn bare_foundation(
        &self,
        engine: &Arc<PoolEngine>,
        forerunners: Vec<Forerunner>,
    ) -> Result<Foundation, PoolError> {
        let cannot_open = |reason| PoolError::CannotOpen { module: self.name.clone(), reason };
        let (name, module) = (self.name.as_str().into(), self.module.clone());
        let (engine, code) = (engine.clone(), module.clone());
        let load = move || code.component_on(engine.engine(), engine.kind());
        let component = on_own_thread("wasmpool-load", load).await;
        let component = component.map_err(|no_answer| cannot_open(no_answer.to_string()))?;
        let component = component.map_err(|error| cannot_open(with_causes(&error)))?;
        let (grants, provisions) = (self.grants.clone(), self.provisions.clone());
        Ok(Foundation { name, module, component, forerunners, grants, provisions })
    }

    /// Takes the snapshot; where there can be none, its function is left to run in each sandbox.
    async fn snapshot_foundation(
        &self,
        run: SnapshotRun,
        engine: &Arc<PoolEngine>,
        teller: &Teller,
    ) -> Result<Foundation, PoolError> {
        let function = run.function.clone();
        match run.code(engine.clone(), self.cache_dir.clone()).await {
            Ok(component) => Ok(Foundation {
                name: self.name.as_str().into(),
                module: self.module.without_snapshot_function(function.task.name()),
                component,
                forerunners: Vec::new(),
                grants: self.grants.clone(),
                provisions: self.provisions.clone(),
            }),
            // In a sandbox the function would reach something else than in its own run, and do something else.
            Err(Untaken::Refused(reason)) if !self.grants.covers(&self.snapshot.grants) => {
                let reason = format!(
                    "{reason}; {function} does not run in each sandbox instead, as it would not reach what is granted \
                     to the snapshot: grant that to sandboxes too"
                );
                Err(self.cannot_snapshot(Untaken::Refused(reason)))
            }
            Err(Untaken::Refused(reason)) if !self.snapshot.is_required => {
                let name = &self.name;
                tracing::warn!(
                    "module `{name}` cannot be snapshotted, so {function} runs in each sandbox: {reason}"
                );
                teller.tell(|| Event::SnapshotRefused { module: Arc::from(name.as_str()), reason });
                let module = self.module.without_snapshot_function(function.task.name());
                let bare = self.bare_foundation(engine, vec![function]).await?;
                Ok(Foundation { module, ..bare })
            }
            Err(untaken) => Err(self.cannot_snapshot(untaken)),
        }
    }

    /// Says in the pool's words why there is no snapshot.
    pub(crate) fn cannot_snapshot(&self, untaken: Untaken) -> PoolError {
        let (Untaken::Refused(reason) | Untaken::Failed(reason)) = untaken;
        PoolError::CannotSnapshot { module: self.name.clone(), reason }
    }

    /// Finds the initializer and fits its arguments to its parameters.
    fn checked_initializer(&self) -> Result<Option<Forerunner>, PoolError> {
        // One that makes the snapshot has run by then.
        let makes_snapshot = |info: &&TaskInfo| self.snapshot.function.as_deref() == Some(info.name());
        let marked = self.module.initializer().filter(|info| !makes_snapshot(info));
        let info = self.chosen(self.initializer.as_deref(), marked, &INITIALIZER)?;
        self.fitted(info, self.init_args.as_ref(), &INITIALIZER, Role::Initializer)
    }

    /// Finds the snapshot function, fits its arguments to its parameters, and says how it is to be run.
    ///
    /// # Errors
    /// [`PoolError::BadSetting`].
    pub(crate) fn snapshot_run(
        &self,
        limits: &Limits,
        teller: &Teller,
    ) -> Result<Option<SnapshotRun>, PoolError> {
        let setting = &self.snapshot;
        let info = self.chosen(setting.function.as_deref(), self.module.snapshot_function(), &SNAPSHOT)?;
        if let (Some(info), Some(initializer)) = (info, &self.initializer)
            && info.name() == initializer
        {
            let is_wanted = setting.function.is_some() || setting.args.is_some();
            let twice = || bad("snapshot", format!("`{initializer}` is the initializer already"));
            return if is_wanted { Err(twice()) } else { Ok(None) };
        }
        let Some(function) = self.fitted(info, setting.args.as_ref(), &SNAPSHOT, Role::Snapshot)? else {
            return Ok(None);
        };
        expect_usable("snapshot_grants", &setting.grants)?;
        // What every sandbox starts with would differ from run to run, if its run saw the real clocks.
        let grants = match self.grants.is_deterministic() {
            true => setting.grants.clone().deterministic(),
            false => setting.grants.clone(),
        };
        Ok(Some(SnapshotRun {
            module: self.module.clone(),
            args_text: function.args_text(),
            function,
            grants,
            imports: self.provisions.imports.clone(),
            limits: limits.clone(),
            teller: teller.clone(),
        }))
    }

    /// Returns the function that is named, else the one with the attribute.
    fn chosen<'a>(
        &'a self,
        named: Option<&str>,
        marked: Option<&'a TaskInfo>,
        words: &Words,
    ) -> Result<Option<&'a TaskInfo>, PoolError> {
        match named {
            Some(name) => {
                let task = self.module.task(name);
                task.ok_or_else(|| bad(words.function, self.module.unknown_task(name))).map(Some)
            }
            None => Ok(marked),
        }
    }

    fn fitted(
        &self,
        info: Option<&TaskInfo>,
        args: Option<&Args>,
        words: &Words,
        role: Role,
    ) -> Result<Option<Forerunner>, PoolError> {
        let Some(info) = info else {
            let Words { function, attribute, .. } = words;
            let lacks =
                format!("module `{}` has no {attribute}; name a function with `{function}`", self.name);
            return args.map_or(Ok(None), |_| Err(bad(words.args, lacks)));
        };
        let args = match args {
            None => Vec::new(),
            Some(Ok(args)) => args.clone(),
            Some(Err(problem)) => return Err(bad(words.args, problem)),
        };
        let fitted = positional(info, &args).map_err(|problem| {
            bad(words.args, format!("{problem}; the {} is `{}`", words.role, info.signature()))
        })?;
        Ok(Some(Forerunner { role, task: info.clone(), args: fitted }))
    }
}

/// Makes sure that what is granted is there and makes sense.
fn expect_usable(setting: &'static str, grants: &Grants) -> Result<(), PoolError> {
    grants.net_rules().map_err(|problem| bad("net", problem))?;
    for (index, dir) in grants.dirs().iter().enumerate() {
        if grants.dirs()[..index].iter().any(|other| other.guest == dir.guest) {
            return Err(bad(setting, format!("two folders are called `{}` by guests", dir.guest)));
        }
        let shown = dir.host.display();
        match fs::metadata(&dir.host) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(bad(setting, format!("`{shown}` is not a folder"))),
            Err(error) => return Err(bad(setting, format!("the folder `{shown}` cannot be used: {error}"))),
        }
    }
    Ok(())
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
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
