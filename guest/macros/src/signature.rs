//! Turns one function of the author's into one of the model, or says which part of its signature cannot be an export's.

use proc_macro2::Ident;
use syn::{Attribute, Error, Expr, FnArg, ItemFn, Lit, Meta, Pat, ReturnType, Type};

use crate::attributes::Written;
use crate::model::{Function, Kind, Output, Param, Passing, Policy, StateOf, Ty};
use crate::names;
use crate::states::{self, States};
use crate::types::{self, Place, Types};

/// Returns what `written` becomes, noting in `types` what its signature reaches.
pub(crate) fn function(
    written: &Written<'_>,
    states: &States,
    types: &mut Types<'_>,
) -> syn::Result<Function> {
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
        policy: Policy {
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
    let Some(arguments) = states::result_arguments(ty) else { return Ok(Output::State(ty.clone())) };
    let error = match arguments.get(1) {
        Some(error) => types.wire_or_unit(error, Place::Output)?.map(|error| *error),
        None => Some(Ty::TaskError),
    };
    let state = arguments.first().filter(|state| !types::is_unit(state)).map(|state| (*state).clone());
    Ok(Output::StateOrError { state, error })
}

/// Returns doc comments as text: lines joined, the blank after `///` dropped.
pub(crate) fn docs_of(attributes: &[Attribute]) -> String {
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
