//! How deep instances are nested that a component puts together from others. The validator counts levels of types
//! and panics past 127 instead of refusing, so this looks first. It follows instances made from exports, the way by
//! which a few bytes make a level; what types and instantiated components add is left to the validator.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentTypeRef, Payload, SectionLimited,
};

use super::error::ModuleError;

/// What the validator has left where the functions inside have types as deep as it lets them be, which is 100. Tools make
/// two levels, or three.
const MOST_LEVELS: u32 = 16;

/// For each component that is open, the outermost first, how many levels are in each of its instances.
#[derive(Debug, Default)]
pub(crate) struct Nesting {
    open: Vec<Vec<u32>>,
}

impl Nesting {
    /// Looks at the next part of a component.
    ///
    /// # Errors
    /// [`ModuleError::TooNested`]. What cannot be read is left to the validator.
    pub(crate) fn see(&mut self, payload: &Payload<'_>) -> Result<(), ModuleError> {
        match payload {
            Payload::Version { .. } => self.open.push(Vec::new()),
            Payload::End(_) => drop(self.open.pop()),
            Payload::ComponentImportSection(imports) => {
                let is_instance = |ty| matches!(ty, ComponentTypeRef::Instance(_));
                let imported = imports.clone().into_iter().flatten().filter(|import| is_instance(import.ty));
                imported.for_each(|_| self.add(0));
            }
            Payload::ComponentAliasSection(aliases) => {
                aliases.clone().into_iter().flatten().for_each(|alias| self.add_alias(&alias));
            }
            Payload::ComponentExportSection(exports) => {
                let exports = exports.clone().into_iter().flatten();
                exports.for_each(|export| self.add_again(export.kind, export.index));
            }
            Payload::ComponentInstanceSection(instances) => return self.add_instances(instances.clone()),
            _ => {}
        }
        Ok(())
    }

    fn add_instances(
        &mut self,
        section: SectionLimited<'_, ComponentInstance<'_>>,
    ) -> Result<(), ModuleError> {
        for instance in section.into_iter().flatten() {
            let levels = match instance {
                ComponentInstance::Instantiate { .. } => 0,
                ComponentInstance::FromExports(exports) => {
                    let parts = exports.iter().filter_map(|export| self.levels(export.kind, export.index));
                    parts.max().map_or(0, |deepest| deepest + 1)
                }
            };
            if levels > MOST_LEVELS {
                return Err(ModuleError::TooNested { most_levels: MOST_LEVELS });
            }
            self.add(levels);
        }
        Ok(())
    }

    fn add_alias(&mut self, alias: &ComponentAlias<'_>) {
        if let ComponentAlias::InstanceExport {
            kind: ComponentExternalKind::Instance, instance_index, ..
        } = alias
        {
            let outer = self.levels(ComponentExternalKind::Instance, *instance_index).unwrap_or(0);
            self.add(outer.saturating_sub(1));
        }
    }

    /// An exported instance can be named by one more number.
    fn add_again(&mut self, kind: ComponentExternalKind, index: u32) {
        if kind == ComponentExternalKind::Instance {
            let levels = self.levels(kind, index).unwrap_or(0);
            self.add(levels);
        }
    }

    fn add(&mut self, levels: u32) {
        if let Some(instances) = self.open.last_mut() {
            instances.push(levels);
        }
    }

    /// Returns how many levels are in an instance; `None` for what is none.
    fn levels(&self, kind: ComponentExternalKind, index: u32) -> Option<u32> {
        let instances = self.open.last().filter(|_| kind == ComponentExternalKind::Instance)?;
        instances.get(index as usize).copied()
    }
}
