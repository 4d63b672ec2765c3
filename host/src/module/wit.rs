//! A component's types as people write them: WIT, with the names of types, which the engine does not keep.
//! Nothing here decides anything; where WIT cannot be had, a task shows the engine's nameless types instead.

use std::collections::{HashMap, HashSet};
use std::iter;

use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::{
    Function, Handle, InterfaceId, Resolve, Type, TypeDef, TypeDefKind, TypeId, TypeOwner, WorldId, WorldItem,
};

use super::error::Cause;

/// A signature with more types in it than this is not worth reading, and could be made to fill the memory.
const MOST_TYPES: u32 = 2_000;

/// A named type that some task takes or returns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeDefinition {
    /// The name used in signatures, such as `user`.
    pub name: String,
    /// The interface that defines it, such as `demo:raw/shapes`; `None` for a type of the component's own.
    pub interface: Option<String>,
    /// Its definition, such as `record user { … }`, over several lines.
    pub wit: String,
}

/// One function's types in WIT.
#[derive(Clone, Debug)]
pub(crate) struct FunctionText {
    pub(crate) params: Vec<String>,
    pub(crate) result: Option<String>,
    /// The named types among them and in them, those that others are made of first.
    pub(crate) definitions: Vec<TypeDefinition>,
}

/// Returns the text of every exported function by its task name.
///
/// # Errors
/// If the component has exports that WIT has no words for.
pub(crate) fn describe_exports(bytes: &[u8]) -> Result<HashMap<String, FunctionText>, Cause> {
    let (resolve, world) = decode(bytes)?;
    let mut texts = HashMap::new();
    for (key, item) in &resolve.worlds[world].exports {
        let key = resolve.name_world_key(key);
        match item {
            WorldItem::Function(function) => {
                texts.insert(key, describe(&resolve, function)?);
            }
            WorldItem::Interface { id, .. } => {
                for (name, function) in &resolve.interfaces[*id].functions {
                    texts.insert(format!("{key}#{name}"), describe(&resolve, function)?);
                }
            }
            WorldItem::Type { .. } => {}
        }
    }
    Ok(texts)
}

/// Returns the component's world, and the packages it refers to, as a WIT document.
///
/// # Errors
/// If the component has imports or exports that WIT has no words for.
pub(crate) fn print_world(bytes: &[u8]) -> Result<String, Cause> {
    let (resolve, world) = decode(bytes)?;
    let main = resolve.worlds[world].package.ok_or("its world belongs to no package")?;
    let others: Vec<_> = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != main).collect();
    let mut printer = WitPrinter::default();
    printer.print(&resolve, main, &others)?;
    Ok(printer.output.to_string())
}

fn decode(bytes: &[u8]) -> Result<(Resolve, WorldId), Cause> {
    match wit_component::decode(bytes)? {
        DecodedWasm::Component(resolve, world) => Ok((resolve, world)),
        DecodedWasm::WitPackage(..) => Err("it holds types only, and no code".into()),
    }
}

fn describe(resolve: &Resolve, function: &Function) -> Result<FunctionText, Cause> {
    let types = || function.params.iter().map(|param| &param.ty).chain(&function.result);
    let mut budget = MOST_TYPES;
    if !types().all(|ty| fits(resolve, ty, &mut budget)) {
        return Ok(FunctionText {
            params: vec!["…".to_owned(); function.params.len()],
            result: function.result.map(|_| "…".to_owned()),
            definitions: Vec::new(),
        });
    }
    let mut definitions = Definitions { resolve, seen: HashSet::new(), found: Vec::new() };
    types().try_for_each(|ty| definitions.add(ty))?;
    Ok(FunctionText {
        params: function
            .params
            .iter()
            .map(|param| type_name(resolve, &param.ty))
            .collect::<Result<_, _>>()?,
        result: function.result.map(|ty| type_name(resolve, &ty)).transpose()?,
        definitions: definitions.found,
    })
}

/// Counts types as often as they would be walked through; small bytes can describe very large types.
fn fits(resolve: &Resolve, ty: &Type, budget: &mut u32) -> bool {
    let Some(left) = budget.checked_sub(1) else { return false };
    *budget = left;
    match ty {
        Type::Id(id) => parts(&resolve.types[*id]).iter().all(|part| fits(resolve, part, budget)),
        _ => true,
    }
}

fn type_name(resolve: &Resolve, ty: &Type) -> Result<String, Cause> {
    let mut printer = WitPrinter::default();
    printer.print_type_name(resolve, ty)?;
    Ok(printer.output.to_string())
}

struct Definitions<'a> {
    resolve: &'a Resolve,
    seen: HashSet<TypeId>,
    found: Vec<TypeDefinition>,
}

impl Definitions<'_> {
    fn add(&mut self, ty: &Type) -> Result<(), Cause> {
        let Type::Id(id) = ty else { return Ok(()) };
        if !self.seen.insert(*id) {
            return Ok(());
        }
        let definition = &self.resolve.types[*id];
        parts(definition).iter().try_for_each(|part| self.add(part))?;
        match (&definition.name, definition.owner) {
            (Some(_), _) if is_borrowed_name(self.resolve, definition) => Ok(()),
            (None, _) | (_, TypeOwner::None) => Ok(()),
            (Some(name), owner) => self.print(*id, name, owner),
        }
    }

    fn print(&mut self, id: TypeId, name: &str, owner: TypeOwner) -> Result<(), Cause> {
        let mut printer = WitPrinter::default();
        printer.print_types(self.resolve, owner, iter::once((name, id)), &HashMap::new())?;
        let interface = match owner {
            TypeOwner::Interface(id) => interface_name(self.resolve, id),
            _ => None,
        };
        let wit = printer.output.to_string().trim_end().to_owned();
        self.found.push(TypeDefinition { name: name.to_owned(), interface, wit });
        Ok(())
    }
}

/// Returns true for a name that another interface's type goes by (`use`): the type itself says it all.
fn is_borrowed_name(resolve: &Resolve, definition: &TypeDef) -> bool {
    match definition.kind {
        TypeDefKind::Type(Type::Id(other)) => {
            let other = &resolve.types[other];
            other.owner != definition.owner && other.name == definition.name
        }
        _ => false,
    }
}

fn interface_name(resolve: &Resolve, id: InterfaceId) -> Option<String> {
    let interface = &resolve.interfaces[id];
    interface.package.and_then(|_| resolve.id_of(id)).or_else(|| interface.name.clone())
}

/// Returns the types that a type is made of.
fn parts(definition: &TypeDef) -> Vec<Type> {
    match &definition.kind {
        TypeDefKind::Record(record) => record.fields.iter().map(|field| field.ty).collect(),
        TypeDefKind::Variant(variant) => variant.cases.iter().filter_map(|case| case.ty).collect(),
        TypeDefKind::Tuple(tuple) => tuple.types.clone(),
        TypeDefKind::Result(result) => result.ok.into_iter().chain(result.err).collect(),
        TypeDefKind::Map(key, value) => vec![*key, *value],
        TypeDefKind::Option(inner)
        | TypeDefKind::List(inner)
        | TypeDefKind::FixedLengthList(inner, _)
        | TypeDefKind::Type(inner) => vec![*inner],
        TypeDefKind::Future(inner) | TypeDefKind::Stream(inner) => inner.iter().copied().collect(),
        TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id)) => vec![Type::Id(*id)],
        TypeDefKind::Resource | TypeDefKind::Flags(_) | TypeDefKind::Enum(_) | TypeDefKind::Unknown => {
            Vec::new()
        }
    }
}
