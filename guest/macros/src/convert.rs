//! Writes the code that turns a value of the bindings into one of the author's types and back. The bindings have types
//! of their own for everything the author declared, so those are taken apart and put together again; what is spelled
//! alike on both sides passes untouched.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::model::{Case, Function, Module, Shape, Ty, TypeDef};
use crate::{names, wit};

/// Which way a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

/// Returns `value`, an expression, turned into the other side's type. It uses `?` if [`can_fail`] says so.
pub(crate) fn expression(module: &Module, ty: &Ty, value: TokenStream, way: Way) -> TokenStream {
    if !ty.any(&|inner| matches!(inner, Ty::Named(_) | Ty::Json | Ty::Queue | Ty::TaskError)) {
        return value;
    }
    let inside = |ty: &Ty| expression(module, ty, quote!(value), way);
    match ty {
        Ty::Number(_) | Ty::Text => value,
        Ty::List(item) => {
            let item = inside(item);
            quote!({
                let values = #value;
                let mut list = ::std::vec::Vec::with_capacity(values.len());
                for value in values { list.push(#item); }
                list
            })
        }
        Ty::Option(inner) => {
            let inner = inside(inner);
            quote!(match #value {
                ::core::option::Option::Some(value) => ::core::option::Option::Some(#inner),
                ::core::option::Option::None => ::core::option::Option::None,
            })
        }
        Ty::Result(ok, err) => {
            let side = |side: &Option<Box<Ty>>| side.as_ref().map_or(quote!(value), |ty| inside(ty));
            let (ok, err) = (side(ok), side(err));
            quote!(match #value {
                ::core::result::Result::Ok(value) => ::core::result::Result::Ok(#ok),
                ::core::result::Result::Err(value) => ::core::result::Result::Err(#err),
            })
        }
        Ty::Tuple(items) => {
            let (parts, items) = tuple_parts(module, items, way);
            quote!({ let (#(#parts,)*) = #value; (#(#items,)*) })
        }
        Ty::Named(ident) => {
            let convert = converter(module, ident, way);
            if can_fail(module, ty) { quote!(#convert(#value)?) } else { quote!(#convert(#value)) }
        }
        Ty::Json if way == Way::In => quote!(::wasmpool_guest::glue::json_from_text(&#value)?),
        Ty::Queue => quote!(::wasmpool_guest::glue::queue_from_name(#value)?),
        Ty::Json => quote!(::wasmpool_guest::glue::json_to_text(&#value)?),
        Ty::TaskError => quote!(give_task_error(#value)),
    }
}

fn tuple_parts(module: &Module, items: &[Ty], way: Way) -> (Vec<Ident>, Vec<TokenStream>) {
    let parts: Vec<Ident> = (0..items.len()).map(|place| format_ident!("part_{place}")).collect();
    let converted = parts.iter().zip(items).map(|(part, ty)| expression(module, ty, quote!(#part), way));
    let converted = converted.collect();
    (parts, converted)
}

/// Returns true if a conversion of `ty` may meet text that is not the JSON it should be.
pub(crate) fn can_fail(module: &Module, ty: &Ty) -> bool {
    ty.any(&|inner| match inner {
        Ty::Json | Ty::Queue => true,
        Ty::Named(ident) => mentions(module, ident).iter().any(|ty| can_fail(module, ty)),
        _ => false,
    })
}

/// Returns true if a value of `ty` holds memory that somebody has to give back.
pub(crate) fn owns_memory(module: &Module, ty: &Ty) -> bool {
    ty.any(&|inner| match inner {
        Ty::Text | Ty::List(_) | Ty::Json | Ty::Queue | Ty::TaskError => true,
        Ty::Named(ident) => mentions(module, ident).iter().any(|ty| owns_memory(module, ty)),
        _ => false,
    })
}

fn mentions<'a>(module: &'a Module, ident: &Ident) -> Vec<&'a Ty> {
    let def = module.types.iter().find(|def| def.ident == *ident);
    def.map(|def| def.shape.mentions()).unwrap_or_default()
}

/// Returns the type that the bindings have for `ty`.
pub(crate) fn bindings_type(module: &Module, ty: &Ty) -> TokenStream {
    let side = |side: &Option<Box<Ty>>| side.as_ref().map_or(quote!(()), |ty| bindings_type(module, ty));
    match ty {
        Ty::Number(name) => {
            let rust = match name.strip_prefix('s') {
                Some(bits) => format_ident!("i{bits}"),
                None => format_ident!("{name}"),
            };
            quote!(::core::primitive::#rust)
        }
        Ty::Text | Ty::Json | Ty::Queue => quote!(::std::string::String),
        Ty::List(item) => {
            let item = bindings_type(module, item);
            quote!(::std::vec::Vec<#item>)
        }
        Ty::Option(inner) => {
            let inner = bindings_type(module, inner);
            quote!(::core::option::Option<#inner>)
        }
        Ty::Result(ok, err) => {
            let (ok, err) = (side(ok), side(err));
            quote!(::core::result::Result<#ok, #err>)
        }
        Ty::Tuple(items) => {
            let items = items.iter().map(|item| bindings_type(module, item));
            quote!((#(#items,)*))
        }
        Ty::Named(ident) => {
            let name = names::bindings_type(wit::name_of(module, ident));
            quote!(bindings::#name)
        }
        Ty::TaskError => quote!(bindings::TaskError),
    }
}

/// Returns the functions that convert the author's types for `functions`, each only in the ways that they need: a type that is
/// only returned need not be readable from JSON.
pub(crate) fn converters(module: &Module, functions: &[&Function]) -> TokenStream {
    let mut text = TokenStream::new();
    for way in [Way::In, Way::Out] {
        let needed = needed(module, functions, way);
        for def in module.types.iter().filter(|def| needed.contains(&def.ident)) {
            text.extend(definition(module, def, way));
        }
    }
    if wit::returns_task_error(functions) {
        text.extend(quote! {
            fn give_task_error(error: impl ::core::convert::Into<::wasmpool_guest::Error>) -> bindings::TaskError {
                let error = ::wasmpool_guest::glue::TaskError::from(error.into());
                bindings::TaskError {
                    message: error.message,
                    causes: error.causes,
                    permanent: error.permanent,
                    retry_after_ms: error.retry_after_ms,
                }
            }
        });
    }
    text
}

fn needed(module: &Module, functions: &[&Function], way: Way) -> Vec<Ident> {
    let of_function = |function: &&Function| match way {
        Way::In => function.params.iter().map(|param| param.ty.clone()).collect::<Vec<_>>(),
        Way::Out => function.output.wire().into_iter().collect(),
    };
    let mut waiting: Vec<Ty> = functions.iter().flat_map(of_function).collect();
    let mut needed: Vec<Ident> = Vec::new();
    while let Some(ty) = waiting.pop() {
        let mut found = Vec::new();
        ty.visit(&mut |inner| {
            found.extend(if let Ty::Named(ident) = inner { Some(ident.clone()) } else { None })
        });
        for ident in found.into_iter().filter(|ident| !needed.contains(ident)).collect::<Vec<_>>() {
            waiting.extend(mentions(module, &ident).into_iter().cloned());
            needed.push(ident);
        }
    }
    needed
}

fn converter(module: &Module, ident: &Ident, way: Way) -> Ident {
    let name = wit::name_of(module, ident).replace('-', "_");
    match way {
        Way::In => format_ident!("take_{name}"),
        Way::Out => format_ident!("give_{name}"),
    }
}

fn definition(module: &Module, def: &TypeDef, way: Way) -> TokenStream {
    let name = converter(module, &def.ident, way);
    let (author, bindings) = (&def.ident, names::bindings_type(&def.name));
    let (author, bindings) = (quote!(super::super::#author), quote!(bindings::#bindings));
    let (from, to) = match way {
        Way::In => (bindings, author),
        Way::Out => (author, bindings),
    };
    let body = match &def.shape {
        Shape::Record(fields) => {
            let fields = fields.iter().map(|field| {
                let (author, bindings) = (field.ident.clone(), names::bindings_value(&field.name));
                let (from, to) = if way == Way::In { (bindings, author) } else { (author, bindings) };
                let converted = expression(module, &field.ty, quote!(value.#from), way);
                quote!(#to: #converted)
            });
            quote!(#to { #(#fields),* })
        }
        Shape::Enum(cases) | Shape::Variant(cases) => {
            let arms = cases.iter().map(|case| arm(module, case, &from, &to, way));
            quote!(match value { #(#arms),* })
        }
    };
    if can_fail(module, &Ty::Named(def.ident.clone())) {
        quote! {
            fn #name(value: #from) -> ::core::result::Result<#to, ::wasmpool_guest::Error> {
                ::core::result::Result::Ok(#body)
            }
        }
    } else {
        quote!(fn #name(value: #from) -> #to { #body })
    }
}

fn arm(module: &Module, case: &Case, from: &TokenStream, to: &TokenStream, way: Way) -> TokenStream {
    let (author, bindings) = (case.ident.clone(), names::bindings_case(&case.name));
    let (from_case, to_case) = if way == Way::In { (&bindings, &author) } else { (&author, &bindings) };
    let (parts, converted) = tuple_parts(module, &case.payload, way);
    match (parts.as_slice(), way) {
        ([], _) => quote!(#from::#from_case => #to::#to_case),
        ([_], _) => quote!(#from::#from_case(#(#parts),*) => #to::#to_case(#(#converted),*)),
        (_, Way::In) => quote!(#from::#from_case((#(#parts),*)) => #to::#to_case(#(#converted),*)),
        (_, Way::Out) => quote!(#from::#from_case(#(#parts),*) => #to::#to_case((#(#converted),*))),
    }
}
