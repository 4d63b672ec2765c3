//! How much a component instantiates. Of components in components the engine lays out every instance on its own, so thirty
//! that each instantiate the one before twice are a file of two kilobytes and a billion instances. Neither the
//! engine nor its validator counts, so this does, before they begin.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef,
    Encoding, Instance, Payload,
};

use super::error::ModuleError;

/// The most instances, of components and core modules together. Tools make some dozens.
const MOST_INSTANCES: u32 = 10_000;

/// The components and core modules that are open, the outermost first.
#[derive(Debug, Default)]
pub(super) struct Instances {
    open: Vec<Scope>,
}

#[derive(Debug, Default)]
struct Scope {
    is_component: bool,
    /// How many instances one of it makes, itself aside.
    instances: u32,
    /// The same of the components it can name, if that is known.
    components: Vec<Option<u32>>,
}

impl Instances {
    /// Looks at the next part of a component. What cannot be read is left to the validator.
    ///
    /// # Errors
    /// [`ModuleError::TooManyInstances`], [`ModuleError::UnknownComponent`].
    pub(super) fn see(&mut self, payload: &Payload<'_>) -> Result<(), ModuleError> {
        match payload {
            Payload::Version { encoding, .. } => {
                let is_component = *encoding == Encoding::Component;
                self.open.push(Scope { is_component, ..Scope::default() });
            }
            Payload::End(_) => self.close(),
            Payload::InstanceSection(instances) => {
                let made = instances.clone().into_iter().map_while(Result::ok);
                let made = made.filter(|instance| matches!(instance, Instance::Instantiate { .. })).count();
                self.add(u32::try_from(made).unwrap_or(u32::MAX))?;
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone().into_iter().map_while(Result::ok) {
                    if let ComponentInstance::Instantiate { component_index, .. } = instance {
                        let inside =
                            self.component(0, component_index).ok_or(ModuleError::UnknownComponent)?;
                        self.add(inside.saturating_add(1))?;
                    }
                }
            }
            Payload::ComponentImportSection(imports) => {
                let imports = imports.clone().into_iter().map_while(Result::ok);
                imports
                    .filter(|import| matches!(import.ty, ComponentTypeRef::Component(_)))
                    .for_each(|_| self.name(None));
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone().into_iter().map_while(Result::ok) {
                    if export.kind == ComponentExternalKind::Component {
                        self.name(self.component(0, export.index));
                    }
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                aliases.clone().into_iter().map_while(Result::ok).for_each(|alias| self.see_alias(&alias));
            }
            _ => {}
        }
        Ok(())
    }

    fn see_alias(&mut self, alias: &ComponentAlias<'_>) {
        match *alias {
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => self.name(None),
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                self.name(self.component(count, index));
            }
            _ => {}
        }
    }

    fn close(&mut self) {
        let closed = self.open.pop();
        if let Some(component) = closed.filter(|scope| scope.is_component) {
            self.name(Some(component.instances));
        }
    }

    /// Gives a component the next number.
    fn name(&mut self, instances: Option<u32>) {
        if let Some(scope) = self.open.last_mut() {
            scope.components.push(instances);
        }
    }

    fn component(&self, outwards: u32, index: u32) -> Option<u32> {
        let scope = self.open.iter().nth_back(outwards as usize)?;
        *scope.components.get(index as usize)?
    }

    fn add(&mut self, instances: u32) -> Result<(), ModuleError> {
        let Some(scope) = self.open.last_mut() else { return Ok(()) };
        scope.instances = scope.instances.saturating_add(instances);
        if scope.instances > MOST_INSTANCES {
            return Err(ModuleError::TooManyInstances { limit: MOST_INSTANCES });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::module::error::ModuleError;
    use crate::module::survey::survey;

    fn survey_text(text: &str) -> Result<(), ModuleError> {
        survey(&wat::parse_str(text).expect("text that is well formed")).map(drop)
    }

    /// Components that each instantiate the one before twice.
    fn doubling(levels: usize) -> String {
        let levels: String = (1..=levels)
            .map(|level| {
                let twice = "(instance (instantiate $inner))".repeat(2);
                format!("(component $c{level} (alias outer 1 $c{} (component $inner)) {twice})", level - 1)
            })
            .collect();
        format!("(component (component $c0 (core module $m) (core instance (instantiate $m))) {levels})")
    }

    #[test]
    fn instances_are_counted_with_those_inside() {
        // Level n makes 3 * 2^n - 2 instances.
        assert!(survey_text(&doubling(11)).is_ok());
        for levels in [12, 30, 90] {
            let ended = survey_text(&doubling(levels));
            assert!(matches!(ended, Err(ModuleError::TooManyInstances { limit: 10_000 })), "{levels}");
        }
    }

    #[test]
    fn components_that_come_from_elsewhere_are_not_instantiated() {
        let imported = "(import \"c\" (component $c)) (instance (instantiate $c))";
        let ended = survey_text(&format!("(component (component {imported}))"));
        assert!(matches!(ended, Err(ModuleError::UnknownComponent)), "{ended:?}");
        let held = "(component $c) (instance $i (export \"c\" (component $c)))
            (alias export $i \"c\" (component $d)) (instance (instantiate $d))";
        let ended = survey_text(&format!("(component {held})"));
        assert!(matches!(ended, Err(ModuleError::UnknownComponent)), "{ended:?}");
        let exported = "(component $c) (export $d \"c\" (component $c)) (instance (instantiate $d))";
        assert!(survey_text(&format!("(component {exported})")).is_ok());
    }
}
