//! Whose state a function borrows. State is told by the name of its type: what `#[init]` or `#[snapshot]` returns, a
//! first parameter `&State` borrows.

use syn::{Error, ReturnType, Type};

use crate::attributes::Written;
use crate::model::{Kind, StateOf};
use crate::types;

/// The types of state in a module.
pub(crate) struct States {
    init: Option<Type>,
    snapshot: Option<Type>,
}

impl States {
    /// Finds what the initializers among `written` return.
    pub(crate) fn of(written: &[Written<'_>]) -> syn::Result<Self> {
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
    pub(crate) fn borrowed_by(&self, ty: &Type) -> Option<StateOf> {
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
pub(crate) fn result_arguments(ty: &Type) -> Option<Vec<&Type>> {
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
