//! A module is replaced by another while calls go on.

use std::sync::Arc;

use crate::error::PoolError;
use crate::module::TaskModule;
use crate::pool::Pool;
use crate::pool::checks::bad;
use crate::pool::setting::ModuleSetting;

impl Pool {
    /// Replaces a module by another, under load: sandboxes of the new one are opened for all calls that have not
    /// begun, those of the old one finish theirs. Every answer is of the one or the other; when this returns, the old
    /// module is gone, and all answers from then on are of the new one.
    ///
    /// `name` is the module's name in the pool, which stays; see [`PoolBuilder::module`](crate::PoolBuilder::module).
    /// Settings stay too: the new module is initialized with the same arguments. It must have every task of the old
    /// one with the same types, so that handles go on to work, and may have more. If it has not, or cannot be opened,
    /// the old one stays.
    ///
    /// # Errors
    /// [`PoolError::BadSetting`] for an unknown name or a module that does not fit, [`PoolError::CannotOpen`],
    /// [`PoolError::CannotSnapshot`], [`PoolError::Closed`].
    ///
    /// # Cancel safety
    /// Waits for the calls that the old module has begun, however long they take. Dropped meanwhile, the new module
    /// takes all other calls all the same.
    pub async fn replace(&self, name: &str, module: TaskModule) -> Result<(), PoolError> {
        let mut replacements = self.inner.replacements.lock().await;
        let shop = &self.inner.shop;
        let Some(index) = shop.modules.iter().position(|desk| &*desk.name == name) else {
            return Err(bad("replace", format!("the pool has no module `{name}`")));
        };
        if self.inner.scheduler.ledger.is_closed() {
            return Err(PoolError::Closed);
        }
        let desk = &shop.modules[index];
        let setting = ModuleSetting { module, ..replacements.modules[index].clone() };
        let drawn = setting.draw(&shop.engines, &replacements.limits, &shop.teller).await;
        let mut blueprint = drawn.map_err(|error| match error {
            PoolError::BadSetting { setting, problem } => bad(
                "replace",
                format!("the pool's setting `{setting}` does not fit the new module: {problem}"),
            ),
            other => other,
        })?;
        blueprint.number_like(&desk.blueprint()).map_err(|problem| bad("replace", problem))?;
        let blueprint = Arc::new(blueprint);
        blueprint
            .clone()
            .try_opening(blueprint.engine.trial_slot().await)
            .await
            .map_err(|reason| PoolError::CannotOpen { module: name.to_owned(), reason })?;
        replacements.modules[index] = setting;
        let old = desk.replace(blueprint);
        self.inner.crew.have_look_around();
        let end = old.end();
        drop(old);
        // Others may replace the next one while this one's calls go on.
        drop(replacements);
        end.await;
        Ok(())
    }
}
