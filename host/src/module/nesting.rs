//! How deep instances and their types are nested. The parser reads a type within a type by calling itself, so a small
//! file could exhaust the stack and end the process; the validator counts levels and panics past 127. Neither refuses,
//! so this looks first, without calling itself. It follows types that hold types and instances made from others, the
//! ways by which a few bytes make a level; what it cannot read is left to the validator, which stops at the same place.

use wasmparser::{
    BinaryReader, BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentType, ComponentTypeDeclaration, ComponentTypeRef, Payload, TypeBounds,
};

use super::error::ModuleError;

/// What the validator has left where the functions inside have types as deep as it lets them be, which is 100. Tools make
/// two levels, or three.
const MOST_LEVELS: u32 = 16;

/// How deep components may stand in each other. Deeper ones keep the validator busy for minutes.
const MOST_COMPONENTS: usize = 100;

/// How the binary format begins a declaration of a type, and a type that holds declarations.
const TYPE_DECLARATION: u8 = 0x01;
const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;

/// The components and types that are open, the outermost first.
#[derive(Debug, Default)]
pub(crate) struct Nesting {
    open: Vec<Scope>,
}

/// What can be referred to by number, each with how many levels are in it.
#[derive(Debug, Default)]
struct Scope {
    instances: Vec<u32>,
    types: Vec<u32>,
}

/// A type whose declarations are being read.
struct Unfinished {
    declarations_left: u32,
    levels: u32,
}

/// Why a section was not read to its end.
enum Stop {
    TooNested,
    Unreadable,
}

impl From<BinaryReaderError> for Stop {
    fn from(_: BinaryReaderError) -> Self {
        Stop::Unreadable
    }
}

impl Nesting {
    /// Looks at the next part of the component that is `bytes`.
    ///
    /// # Errors
    /// [`ModuleError::TooNested`].
    pub(crate) fn see(&mut self, payload: &Payload<'_>, bytes: &[u8]) -> Result<(), ModuleError> {
        let open_now = match payload {
            Payload::Version { .. } => self.open.len() + 1,
            Payload::End(_) => self.open.len().saturating_sub(1),
            _ => self.open.len(),
        };
        if open_now > MOST_COMPONENTS {
            return Err(ModuleError::TooNested { most_levels: MOST_COMPONENTS as u32 });
        }
        self.open.resize_with(open_now, Scope::default);
        let seen = self.see_section(payload, bytes);
        self.open.truncate(open_now);
        match seen {
            Err(Stop::TooNested) => Err(ModuleError::TooNested { most_levels: MOST_LEVELS }),
            Ok(()) | Err(Stop::Unreadable) => Ok(()),
        }
    }

    fn see_section(&mut self, payload: &Payload<'_>, bytes: &[u8]) -> Result<(), Stop> {
        match payload {
            Payload::ComponentTypeSection(section) => {
                let range = section.range();
                let inside = bytes.get(range.clone()).ok_or(Stop::Unreadable)?;
                return self.add_types(&mut BinaryReader::new(inside, range.start));
            }
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    self.add_typed(import?.ty);
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    self.add_alias(&alias?);
                }
            }
            Payload::ComponentExportSection(exports) => {
                // What is exported can be named by one more number.
                for export in exports.clone() {
                    let export = export?;
                    self.add(export.kind, self.levels(export.kind, export.index));
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    self.add_instance(&instance?)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add_instance(&mut self, instance: &ComponentInstance<'_>) -> Result<(), Stop> {
        let levels = match instance {
            ComponentInstance::Instantiate { .. } => 0,
            ComponentInstance::FromExports(exports) => {
                let is_instance = |kind| kind == ComponentExternalKind::Instance;
                let parts = exports.iter().filter(|export| is_instance(export.kind));
                parts.map(|part| self.levels(part.kind, part.index) + 1).max().unwrap_or(0)
            }
        };
        self.add(ComponentExternalKind::Instance, at_most(levels)?);
        Ok(())
    }

    /// Reads types to the end of their section. Those that hold others wait on a stack for their last declaration.
    fn add_types(&mut self, reader: &mut BinaryReader<'_>) -> Result<(), Stop> {
        let mut types_left = reader.read_var_u32()?;
        let mut unfinished: Vec<Unfinished> = Vec::new();
        loop {
            at_most(unfinished.len() as u32)?;
            match unfinished.last_mut() {
                None if types_left == 0 => return Ok(()),
                None => {
                    types_left -= 1;
                    unfinished.extend(self.begin_type(reader)?);
                }
                Some(Unfinished { declarations_left: 0, levels }) => {
                    let levels = *levels;
                    unfinished.pop();
                    self.open.pop();
                    self.add(ComponentExternalKind::Type, at_most(levels)?);
                }
                Some(outer) => {
                    outer.declarations_left -= 1;
                    if next_byte(reader)? == TYPE_DECLARATION {
                        reader.read_u8()?;
                        unfinished.extend(self.begin_type(reader)?);
                    } else {
                        outer.levels = outer.levels.max(self.declare(reader.read()?));
                    }
                }
            }
        }
    }

    /// Reads a type, or as much of one as stands before its declarations.
    fn begin_type(&mut self, reader: &mut BinaryReader<'_>) -> Result<Option<Unfinished>, Stop> {
        if ![COMPONENT_TYPE, INSTANCE_TYPE].contains(&next_byte(reader)?) {
            reader.read::<ComponentType<'_>>()?;
            self.add(ComponentExternalKind::Type, 0);
            return Ok(None);
        }
        reader.read_u8()?;
        self.open.push(Scope::default());
        Ok(Some(Unfinished { declarations_left: reader.read_var_u32()?, levels: 0 }))
    }

    /// Takes a declaration other than of a type, and returns how many levels it makes of its type.
    fn declare(&mut self, declaration: ComponentTypeDeclaration<'_>) -> u32 {
        match declaration {
            ComponentTypeDeclaration::Alias(alias) => {
                self.add_alias(&alias);
                0
            }
            ComponentTypeDeclaration::Export { ty, .. } => self.add_typed(ty),
            ComponentTypeDeclaration::Import(import) => self.add_typed(import.ty),
            ComponentTypeDeclaration::CoreType(_) | ComponentTypeDeclaration::Type(_) => 0,
        }
    }

    /// Adds what is imported or declared by its type, and returns how many levels it makes of what it is in.
    fn add_typed(&mut self, ty: ComponentTypeRef) -> u32 {
        let (kind, index) = match ty {
            ComponentTypeRef::Instance(index) => (ComponentExternalKind::Instance, index),
            ComponentTypeRef::Component(index) => (ComponentExternalKind::Component, index),
            ComponentTypeRef::Type(TypeBounds::Eq(index)) => (ComponentExternalKind::Type, index),
            ComponentTypeRef::Type(TypeBounds::SubResource) => (ComponentExternalKind::Type, u32::MAX),
            ComponentTypeRef::Module(_) | ComponentTypeRef::Func(_) | ComponentTypeRef::Value(_) => return 0,
        };
        let levels = self.levels(ComponentExternalKind::Type, index);
        self.add(kind, levels);
        if kind == ComponentExternalKind::Type { levels } else { levels + 1 }
    }

    fn add_alias(&mut self, alias: &ComponentAlias<'_>) {
        match *alias {
            ComponentAlias::InstanceExport { kind, instance_index, .. } => {
                let outer = self.levels(ComponentExternalKind::Instance, instance_index);
                self.add(kind, outer.saturating_sub(1));
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, count, index } => {
                let scope = self.open.iter().rev().nth(count as usize);
                let levels = scope.and_then(|scope| scope.types.get(index as usize)).copied().unwrap_or(0);
                self.add(ComponentExternalKind::Type, levels);
            }
            ComponentAlias::Outer { .. } | ComponentAlias::CoreInstanceExport { .. } => {}
        }
    }

    fn add(&mut self, kind: ComponentExternalKind, levels: u32) {
        let Some(scope) = self.open.last_mut() else { return };
        match kind {
            ComponentExternalKind::Instance => scope.instances.push(levels),
            ComponentExternalKind::Type => scope.types.push(levels),
            _ => {}
        }
    }

    fn levels(&self, kind: ComponentExternalKind, index: u32) -> u32 {
        let numbered = self.open.last().and_then(|scope| match kind {
            ComponentExternalKind::Instance => scope.instances.get(index as usize),
            ComponentExternalKind::Type => scope.types.get(index as usize),
            _ => None,
        });
        numbered.copied().unwrap_or(0)
    }
}

fn at_most(levels: u32) -> Result<u32, Stop> {
    if levels > MOST_LEVELS { Err(Stop::TooNested) } else { Ok(levels) }
}

fn next_byte(reader: &BinaryReader<'_>) -> Result<u8, Stop> {
    Ok(reader.clone().read_u8()?)
}
