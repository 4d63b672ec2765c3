//! Which Rust types can cross the wall, and what they are on the wire. Types are told apart by how they are written,
//! since a macro sees no more: the last segment of a path decides, and a type that the `mod` declares itself goes
//! before ours of the same name. Definitions are read only when a signature reaches them.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Fields, GenericArgument, Item, ItemEnum, ItemStruct, PathArguments, Type, Visibility,
};

use crate::model::{Case, Field, Shape, Ty, TypeDef};
use crate::names;

const ALLOWED: &str = "integers up to 64 bits, f32, f64, bool, char, String, &str, &[u8], Vec, Option, Result, \
                       tuples, Json<T>, Queue<T>, and every `pub struct` and `pub enum` of this `mod`";

/// Where a type stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Parameter,
    Output,
    Definition,
}

/// The types that a `mod` declares, and which of them signatures have reached.
pub(crate) struct Types<'a> {
    declared: Vec<(&'a Ident, &'a Item)>,
    reached: Vec<Ident>,
}

impl<'a> Types<'a> {
    /// Collects what is declared among `items`.
    pub(crate) fn of(items: &'a [Item]) -> Self {
        let declared = items.iter().filter_map(|item| match item {
            Item::Struct(found) => Some((&found.ident, item)),
            Item::Enum(found) => Some((&found.ident, item)),
            _ => None,
        });
        Types { declared: declared.collect(), reached: Vec::new() }
    }

    /// Returns what `ty` is on the wire, or an error at the part of it that cannot travel.
    pub(crate) fn wire(&mut self, ty: &Type, place: Place) -> syn::Result<Ty> {
        match ty {
            Type::Paren(inner) => self.wire(&inner.elem, place),
            Type::Group(inner) => self.wire(&inner.elem, place),
            Type::Tuple(tuple) if !tuple.elems.is_empty() => {
                let items = tuple.elems.iter().map(|item| self.wire(item, place));
                Ok(Ty::Tuple(items.collect::<syn::Result<_>>()?))
            }
            Type::Path(path) if path.qself.is_none() => self.wire_path(path, place),
            Type::Reference(_) => Err(Error::new_spanned(
                ty,
                "only a parameter itself may be borrowed, as `&str` or `&[u8]`; use the owned type here",
            )),
            other => Err(cannot_cross(other)),
        }
    }

    fn wire_path(&mut self, path: &syn::TypePath, place: Place) -> syn::Result<Ty> {
        let last = path.path.segments.last().ok_or_else(|| cannot_cross(path))?;
        let name = last.ident.unraw().to_string();
        let arguments = generic_arguments(&last.arguments)?;
        if let Some((ident, item)) =
            self.declared.iter().find(|(ident, _)| ident.unraw() == last.ident.unraw())
        {
            let ident = (*ident).clone();
            if !is_public(item) {
                return Err(Error::new_spanned(path, format!("`{name}` travels, so it must be `pub`")));
            }
            if !self.reached.contains(&ident) {
                self.reached.push(ident.clone());
            }
            return Ok(Ty::Named(ident));
        }
        match (name.as_str(), arguments.as_slice()) {
            ("String", []) => Ok(Ty::Text),
            ("Json", [_]) => Ok(Ty::Json),
            ("Queue", [_]) if place == Place::Parameter => Ok(Ty::Queue),
            ("Queue", [_]) => Err(Error::new_spanned(path, "a `Queue` can only be a parameter")),
            ("Vec", [item]) => Ok(Ty::List(Box::new(self.wire(item, place)?))),
            ("Option", [inner]) => Ok(Ty::Option(Box::new(self.wire(inner, place)?))),
            ("Result", [ok]) if place == Place::Output => {
                Ok(Ty::Result(self.wire_or_unit(ok, place)?, Some(Box::new(Ty::TaskError))))
            }
            ("Result", [ok, err]) => {
                Ok(Ty::Result(self.wire_or_unit(ok, place)?, self.wire_or_unit(err, place)?))
            }
            ("Error", []) if place == Place::Output => Ok(Ty::TaskError),
            ("Error", []) => Err(Error::new_spanned(path, "an `Error` can only be returned")),
            (name, []) => number(name).map(Ty::Number).ok_or_else(|| cannot_cross(path)),
            _ => Err(cannot_cross(path)),
        }
    }

    /// Like [`Types::wire`], for a side of a `Result`, which may be `()`.
    pub(crate) fn wire_or_unit(&mut self, ty: &Type, place: Place) -> syn::Result<Option<Box<Ty>>> {
        if is_unit(ty) { Ok(None) } else { self.wire(ty, place).map(|ty| Some(Box::new(ty))) }
    }

    /// Reads the definitions of all types reached, and of those that they reach in turn.
    pub(crate) fn definitions(mut self) -> syn::Result<Vec<TypeDef>> {
        let mut definitions: Vec<TypeDef> = Vec::new();
        let mut wrong: Option<Error> = None;
        let mut read = 0;
        while let Some(ident) = self.reached.get(read).cloned() {
            read += 1;
            let item = self.declared.iter().find(|(name, _)| **name == ident).map(|(_, item)| *item);
            let definition = match item {
                Some(Item::Struct(item)) => self.record(item),
                Some(Item::Enum(item)) => self.variant(item),
                _ => Err(Error::new(ident.span(), "only declared structs and enums are reached")),
            };
            match (definition, &mut wrong) {
                (Ok(definition), _) => definitions.push(definition),
                (Err(error), Some(first)) => first.combine(error),
                (Err(error), None) => wrong = Some(error),
            }
        }
        wrong.map_or(Ok(()), Err)?;
        definitions.iter().try_for_each(|def| refuse_recursion(def, &definitions))?;
        let place = |def: &TypeDef| self.declared.iter().position(|(ident, _)| **ident == def.ident);
        definitions.sort_by_key(place);
        Ok(definitions)
    }

    fn record(&mut self, item: &ItemStruct) -> syn::Result<TypeDef> {
        refuse_generics(&item.generics)?;
        let Fields::Named(named) = &item.fields else {
            return Err(Error::new(item.ident.span(), "a struct that travels has named fields"));
        };
        let mut fields: Vec<Field> = Vec::new();
        for field in &named.named {
            refuse_conditions(&field.attrs)?;
            let ident =
                field.ident.clone().ok_or_else(|| Error::new_spanned(field, "a field without a name"))?;
            let name = names::kebab(&ident)?;
            refuse_namesake(&ident, &name, fields.iter().map(|earlier| (&earlier.ident, &earlier.name)))?;
            fields.push(Field { ident, name, ty: self.wire(&field.ty, Place::Definition)? });
        }
        if fields.is_empty() {
            return Err(Error::new(item.ident.span(), "a struct that travels has at least one field"));
        }
        Ok(TypeDef {
            ident: item.ident.clone(),
            name: names::kebab(&item.ident)?,
            shape: Shape::Record(fields),
        })
    }

    fn variant(&mut self, item: &ItemEnum) -> syn::Result<TypeDef> {
        refuse_generics(&item.generics)?;
        let mut cases: Vec<Case> = Vec::new();
        for variant in &item.variants {
            refuse_conditions(&variant.attrs)?;
            let name = names::kebab(&variant.ident)?;
            refuse_namesake(
                &variant.ident,
                &name,
                cases.iter().map(|earlier| (&earlier.ident, &earlier.name)),
            )?;
            let payload = match &variant.fields {
                Fields::Unit => Vec::new(),
                Fields::Unnamed(unnamed) => unnamed
                    .unnamed
                    .iter()
                    .map(|field| self.wire(&field.ty, Place::Definition))
                    .collect::<syn::Result<_>>()?,
                Fields::Named(named) => {
                    return Err(Error::new_spanned(
                        named,
                        "a case has no named fields on the wire; give it a `pub struct` instead",
                    ));
                }
            };
            cases.push(Case { ident: variant.ident.clone(), name, payload });
        }
        if cases.is_empty() {
            return Err(Error::new(item.ident.span(), "an enum that travels has at least one case"));
        }
        let plain = item.variants.iter().all(|variant| matches!(variant.fields, Fields::Unit));
        let shape = if plain { Shape::Enum(cases) } else { Shape::Variant(cases) };
        Ok(TypeDef { ident: item.ident.clone(), name: names::kebab(&item.ident)?, shape })
    }
}

fn number(name: &str) -> Option<&'static str> {
    let numbers = [
        ("bool", "bool"),
        ("char", "char"),
        ("u8", "u8"),
        ("u16", "u16"),
        ("u32", "u32"),
        ("u64", "u64"),
        ("i8", "s8"),
        ("i16", "s16"),
        ("i32", "s32"),
        ("i64", "s64"),
        ("f32", "f32"),
        ("f64", "f64"),
    ];
    numbers.iter().find(|(rust, _)| *rust == name).map(|(_, wit)| *wit)
}

fn generic_arguments<'a>(arguments: &'a PathArguments) -> syn::Result<Vec<&'a Type>> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return Ok(Vec::new()) };
    let ty = |argument: &'a GenericArgument| match argument {
        GenericArgument::Type(ty) => Ok(ty),
        other => Err(cannot_cross(other)),
    };
    arguments.args.iter().map(ty).collect()
}

fn cannot_cross(ty: &(impl quote::ToTokens + Spanned)) -> Error {
    let text = quote::quote!(#ty).to_string().replace(" < ", "<").replace(" >", ">").replace(" :: ", "::");
    let hint = match text.as_str() {
        "usize" => "; use u32 or u64",
        "isize" => "; use i32 or i64",
        "()" => "; `()` can only be a side of a Result",
        _ => "",
    };
    Error::new_spanned(ty, format!("`{text}` cannot cross the sandbox wall{hint}; allowed are {ALLOWED}"))
}

/// Returns true for `()`.
pub(crate) fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn is_public(item: &Item) -> bool {
    match item {
        Item::Struct(item) => matches!(item.vis, Visibility::Public(_)),
        Item::Enum(item) => matches!(item.vis, Visibility::Public(_)),
        _ => false,
    }
}

fn refuse_generics(generics: &syn::Generics) -> syn::Result<()> {
    match generics.params.first() {
        Some(first) => Err(Error::new_spanned(first, "a type that travels has no generics and no lifetimes")),
        None => Ok(()),
    }
}

/// Refuses `#[cfg]` on a part of the interface, which the macro cannot evaluate.
pub(crate) fn refuse_conditions(attributes: &[Attribute]) -> syn::Result<()> {
    match attributes.iter().find(|attribute| attribute.path().is_ident("cfg")) {
        Some(condition) => Err(Error::new_spanned(
            condition,
            "a part of the interface cannot be conditional; put the condition on the whole `mod`",
        )),
        None => Ok(()),
    }
}

/// Refuses two names that are one on the wire.
pub(crate) fn refuse_namesake<'a>(
    ident: &Ident,
    name: &str,
    mut earlier: impl Iterator<Item = (&'a Ident, &'a String)>,
) -> syn::Result<()> {
    match earlier.find(|(_, taken)| *taken == name) {
        Some((other, _)) => Err(Error::new(
            ident.span(),
            format!("`{ident}` and `{other}` are both called `{name}` outside Rust; rename one"),
        )),
        None => Ok(()),
    }
}

fn refuse_recursion(start: &TypeDef, all: &[TypeDef]) -> syn::Result<()> {
    let mut seen: Vec<Ident> = Vec::new();
    let mut next = vec![start];
    while let Some(def) = next.pop() {
        for mentioned in def.shape.mentions() {
            mentioned.visit(&mut |ty| {
                if let Ty::Named(ident) = ty
                    && !seen.contains(ident)
                {
                    seen.push(ident.clone());
                    next.extend(all.iter().find(|def| def.ident == *ident));
                }
            });
        }
    }
    if seen.contains(&start.ident) {
        return Err(Error::new(
            start.ident.span(),
            format!(
                "`{}` contains itself, which no interface can say; `Json<{}>` can",
                start.ident, start.ident
            ),
        ));
    }
    Ok(())
}
