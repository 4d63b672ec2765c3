//! Finds the tasks in what the author wrote and checks what only the whole `mod` can tell: names that collide, whose
//! state a function borrows, cases that an error does not have. Reports everything that is wrong at once.

use proc_macro2::{Ident, TokenStream};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, FnArg, Item, ItemFn, ItemMod, Lit, Meta, Pat, ReturnType, Type, Visibility,
};

use crate::attributes::{self, Attributes};
use crate::model::{Function, Kind, Module, Output, Param, Passing, Shape, StateOf, Ty};
use crate::names;
use crate::types::{self, Place, Types};

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
        Some(states) => {
            written.iter().filter_map(|one| wrong.note(function(one, states, &mut types))).collect()
        }
        None => Vec::new(),
    };
    let types = wrong.note(types.definitions()).unwrap_or_default();
    let docs = docs_of(&item.attrs);
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

/// A `pub fn` and what stood above it.
struct Written<'a> {
    function: &'a ItemFn,
    attributes: Attributes,
}

fn take_attributes(item: &mut Item) -> Vec<Attribute> {
    match item {
        Item::Fn(function) => attributes::take(&mut function.attrs),
        _ => Vec::new(),
    }
}

/// The types of state in a module.
struct States {
    init: Option<Type>,
    snapshot: Option<Type>,
}

impl States {
    fn of(written: &[Written<'_>]) -> syn::Result<Self> {
        let init = only(written, Kind::Init)?.and_then(|one| state_type(&one.function.sig.output));
        let snapshot = only(written, Kind::Snapshot)?.and_then(|one| state_type(&one.function.sig.output));
        if let (Some(init), Some(snapshot)) = (&init, &snapshot)
            && same_name(init, snapshot)
        {
            return Err(Error::new_spanned(
                init,
                "the state of `#[init]` and of `#[snapshot]` must differ in type",
            ));
        }
        Ok(States { init, snapshot })
    }

    /// Returns whose state `ty` names.
    fn borrowed_by(&self, ty: &Type) -> Option<StateOf> {
        let Type::Reference(reference) = ty else { return None };
        let is = |state: &Option<Type>| state.as_ref().is_some_and(|state| same_name(state, &reference.elem));
        if reference.mutability.is_some() {
            None
        } else if is(&self.init) {
            Some(StateOf::Init)
        } else {
            is(&self.snapshot).then_some(StateOf::Snapshot)
        }
    }
}

fn only<'a, 'b>(written: &'a [Written<'b>], kind: Kind) -> syn::Result<Option<&'a Written<'b>>> {
    let mut found = written.iter().filter(|one| one.attributes.kind == kind);
    let first = found.next();
    match found.next() {
        Some(second) => {
            Err(Error::new(second.function.sig.ident.span(), "a module has one such function at most"))
        }
        None => Ok(first),
    }
}

/// Returns the arguments of a `Result`.
fn result_arguments(ty: &Type) -> Option<Vec<&Type>> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        syn::GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    (last.ident == "Result").then(|| types.collect())
}

fn state_type(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, ty) = output else { return None };
    let state = result_arguments(ty).and_then(|arguments| arguments.first().copied()).unwrap_or(ty);
    (!types::is_unit(state)).then(|| state.clone())
}

/// Compares two types by the last segment of their paths, as far as a macro can tell.
fn same_name(one: &Type, other: &Type) -> bool {
    let last = |ty: &Type| match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| quote::quote!(#segment).to_string()),
        other => Some(quote::quote!(#other).to_string()),
    };
    last(one) == last(other)
}

fn function(written: &Written<'_>, states: &States, types: &mut Types<'_>) -> syn::Result<Function> {
    let Written { function, attributes } = written;
    check_signature(function)?;
    let name = names::kebab(&function.sig.ident)?;
    let mut borrows = None;
    let mut params: Vec<Param> = Vec::new();
    for (place, argument) in function.sig.inputs.iter().enumerate() {
        let (ident, ty) = parameter(argument)?;
        if let Some(of) = states.borrowed_by(ty) {
            check_state(argument, place, of, attributes.kind)?;
            borrows = Some(of);
            continue;
        }
        let name = names::kebab(&ident)?;
        types::refuse_namesake(&ident, &name, params.iter().map(|earlier| (&earlier.ident, &earlier.name)))?;
        let (ty, passing) = passed(ty, types)?;
        params.push(Param { ident, name, ty, passing });
    }
    Ok(Function {
        ident: function.sig.ident.clone(),
        name,
        docs: docs_of(&function.attrs),
        kind: attributes.kind,
        is_async: function.sig.asyncness.is_some(),
        borrows,
        params,
        output: output(&function.sig.output, attributes.kind, types)?,
        policy: crate::model::Policy {
            retry: attributes.policy.retry.clone(),
            timeout: attributes.policy.timeout,
            idempotent: attributes.policy.idempotent,
        },
    })
}

fn check_signature(function: &ItemFn) -> syn::Result<()> {
    types::refuse_conditions(&function.attrs)?;
    let sig = &function.sig;
    let refused = [
        sig.constness.map(|token| Error::new_spanned(token, "a task is not `const`")),
        sig.unsafety.map(|token| Error::new_spanned(token, "a task is not `unsafe`: anybody may call it")),
        sig.abi
            .as_ref()
            .map(|token| Error::new_spanned(token, "a task is not `extern`: its export is made for it")),
        sig.generics
            .params
            .first()
            .map(|token| Error::new_spanned(token, "a task has no generics and no lifetimes")),
        sig.variadic
            .as_ref()
            .map(|token| Error::new_spanned(token, "a task has a fixed number of parameters")),
    ];
    refused.into_iter().flatten().next().map_or(Ok(()), Err)
}

fn parameter(argument: &FnArg) -> syn::Result<(Ident, &Type)> {
    match argument {
        FnArg::Receiver(receiver) => {
            Err(Error::new_spanned(receiver, "a task has no `self`; borrow a state"))
        }
        FnArg::Typed(typed) => match typed.pat.as_ref() {
            Pat::Ident(name) if name.subpat.is_none() && name.by_ref.is_none() => {
                Ok((name.ident.clone(), &typed.ty))
            }
            other => Err(Error::new_spanned(other, "a parameter of a task is a plain name, not a pattern")),
        },
    }
}

fn check_state(argument: &FnArg, place: usize, of: StateOf, kind: Kind) -> syn::Result<()> {
    if place > 0 {
        return Err(Error::new_spanned(argument, "only the first parameter may borrow the state"));
    }
    match (kind, of) {
        (Kind::Task, _) | (Kind::Init, StateOf::Snapshot) => Ok(()),
        (Kind::Init, StateOf::Init) => Err(Error::new_spanned(argument, "this state is only made here")),
        (Kind::Snapshot, _) => Err(Error::new_spanned(argument, "a snapshot is made before any state")),
    }
}

fn passed(ty: &Type, types: &mut Types<'_>) -> syn::Result<(Ty, Passing)> {
    let Type::Reference(reference) = ty else {
        return Ok((types.wire(ty, Place::Parameter)?, Passing::Owned));
    };
    let text = match reference.elem.as_ref() {
        Type::Path(path) if path.path.is_ident("str") => Some(Ty::Text),
        Type::Slice(slice) => match slice.elem.as_ref() {
            Type::Path(path) if path.path.is_ident("u8") => Some(Ty::List(Box::new(Ty::Number("u8")))),
            _ => None,
        },
        _ => None,
    };
    match text {
        Some(ty) if reference.mutability.is_none() && reference.lifetime.is_none() => {
            Ok((ty, Passing::Borrowed))
        }
        _ => Err(Error::new_spanned(
            ty,
            "a parameter is borrowed as `&str`, `&[u8]`, or, if it is the first, as `&State` of the type that \
             `#[init]` or `#[snapshot]` returns",
        )),
    }
}

fn output(output: &ReturnType, kind: Kind, types: &mut Types<'_>) -> syn::Result<Output> {
    let ty = match output {
        ReturnType::Type(_, ty) if !types::is_unit(ty) => ty.as_ref(),
        _ => return Ok(Output::Value(None)),
    };
    if kind == Kind::Task {
        return Ok(Output::Value(Some(types.wire(ty, Place::Output)?)));
    }
    let Some(arguments) = result_arguments(ty) else { return Ok(Output::State(ty.clone())) };
    let error = match arguments.get(1) {
        Some(error) => types.wire_or_unit(error, Place::Output)?.map(|error| *error),
        None => Some(Ty::TaskError),
    };
    let state = arguments.first().filter(|state| !types::is_unit(state)).map(|state| (*state).clone());
    Ok(Output::StateOrError { state, error })
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

/// Returns doc comments as text: lines joined, the blank after `///` dropped.
fn docs_of(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> =
        lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}
