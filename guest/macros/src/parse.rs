//! Finds the tasks in what the author wrote and checks what only the whole `mod` can tell: names that collide
//! and cases that an error does not have. Reports everything that is wrong at once.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Item, ItemMod, Visibility};

use crate::attributes::{self, Written};
use crate::model::{Function, Module, Output, Shape, Ty};
use crate::names;
use crate::signature;
use crate::states::States;
use crate::types::{self, Types};

/// Returns the `mod` that `#[tasks]` stands on.
pub(crate) fn inline_mod(arguments: &TokenStream, item: TokenStream) -> syn::Result<ItemMod> {
    if !arguments.is_empty() {
        return Err(Error::new(arguments.span(), "`#[tasks]` takes no arguments"));
    }
    let item: ItemMod = syn::parse2(item)
        .map_err(|error| Error::new(error.span(), "`#[tasks]` stands on an inline `mod … { … }`"))?;
    match &item.semi {
        Some(semi) => {
            Err(Error::new(semi.span(), "the `mod` under `#[tasks]` must be inline: `mod … { … }`"))
        }
        None => Ok(item),
    }
}

/// Takes our attributes out of the `mod` and returns what it offers.
pub(crate) fn take_module(item: &mut ItemMod) -> syn::Result<Module> {
    let Some((_, items)) = &mut item.content else {
        return Err(Error::new(item.span(), "the `mod` under `#[tasks]` must be inline"));
    };
    let taken: Vec<Vec<Attribute>> = items.iter_mut().map(take_attributes).collect();
    let mut wrong = Wrong::default();
    let mut written = Vec::new();
    let mut is_empty = true;
    for (item, taken) in items.iter().zip(&taken) {
        let Item::Fn(function) = item else { continue };
        if matches!(function.vis, Visibility::Public(_)) {
            is_empty = false;
            written.extend(
                wrong.note(attributes::read(taken)).map(|attributes| Written { function, attributes }),
            );
        } else if let Some(attribute) = taken.first() {
            wrong.add(Error::new_spanned(attribute, "only a `pub fn` is a task"));
        }
    }
    let name = wrong.note(names::kebab(&item.ident));
    let states = wrong.note(States::of(&written));
    let mut types = Types::of(items);
    let functions: Vec<Function> = match &states {
        Some(states) => written
            .iter()
            .filter_map(|one| wrong.note(signature::function(one, states, &mut types)))
            .collect(),
        None => Vec::new(),
    };
    let types = wrong.note(types.definitions()).unwrap_or_default();
    let docs = signature::docs_of(&item.attrs);
    let mut module = Module { name: name.unwrap_or_default(), docs, types, functions };
    check_names(&module, &mut wrong);
    check_cases(&mut module, &written, &mut wrong);
    if is_empty {
        wrong.add(Error::new(item.ident.span(), "this `mod` has no `pub fn`, so it offers no task"));
    }
    wrong.or(module)
}

/// Mistakes found so far.
#[derive(Default)]
struct Wrong(Option<Error>);

impl Wrong {
    fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn note<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    fn or<T>(self, value: T) -> syn::Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}

fn take_attributes(item: &mut Item) -> Vec<Attribute> {
    match item {
        Item::Fn(function) => attributes::take(&mut function.attrs),
        _ => Vec::new(),
    }
}

fn check_names(module: &Module, wrong: &mut Wrong) {
    let functions: Vec<_> =
        module.functions.iter().map(|function| (&function.ident, &function.name)).collect();
    let types: Vec<_> = module.types.iter().map(|def| (&def.ident, &def.name)).collect();
    // Tasks and types have a space of names each.
    for names in [&functions, &types] {
        for (place, (ident, name)) in names.iter().enumerate() {
            wrong.note(types::refuse_namesake(ident, name, names.iter().take(place).copied()));
        }
    }
    if let Some((ident, _)) = types.iter().find(|(_, name)| *name == "task-error") {
        wrong.add(Error::new(
            ident.span(),
            "`task-error` is what `wasmpool_guest::Error` travels as; rename this",
        ));
    }
}

fn check_cases(module: &mut Module, written: &[Written<'_>], wrong: &mut Wrong) {
    for one in written.iter().filter(|one| !one.attributes.on.is_empty()) {
        let ident = &one.function.sig.ident;
        let Some(place) = module.functions.iter().position(|function| function.ident == *ident) else {
            continue;
        };
        let cases = error_cases(module, &module.functions[place]);
        let mut on = Vec::new();
        for case in &one.attributes.on {
            match cases.iter().find(|(known, _)| known == case) {
                Some((_, name)) => on.push(name.clone()),
                None => wrong.add(Error::new(
                    case.span(),
                    format!("`{case}` is no case of the error that `{ident}` returns; `on` names cases of an own `pub enum`"),
                )),
            }
        }
        if let Some(retry) = &mut module.functions[place].policy.retry {
            retry.on = on;
        }
    }
}

fn error_cases(module: &Module, function: &Function) -> Vec<(Ident, String)> {
    let Output::Value(Some(Ty::Result(_, Some(error)))) = &function.output else { return Vec::new() };
    let Ty::Named(error) = error.as_ref() else { return Vec::new() };
    let def = module.types.iter().find(|def| def.ident == *error);
    match def.map(|def| &def.shape) {
        Some(Shape::Enum(cases) | Shape::Variant(cases)) => {
            cases.iter().map(|case| (case.ident.unraw(), case.name.clone())).collect()
        }
        _ => Vec::new(),
    }
}
