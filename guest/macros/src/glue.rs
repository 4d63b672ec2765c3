//! Writes the Rust code between the exports and the author's functions: bindings from the interface text, an
//! implementation that converts, calls and converts back, slots for the state, and the custom section. All of it is
//! compiled for wasm only and stands in a `mod` inside the author's, where private fields can be seen.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Item, ItemMod, LitByteStr, LitStr, Type, parse_quote};

use crate::convert::{self, Way};
use crate::model::{Function, Kind, Module, Output, Param, Passing, StateOf, Ty};
use crate::{names, section, wit};

/// Adds the glue of `module` to the author's `mod`.
pub(crate) fn add_to(item: &mut ItemMod, module: &Module) {
    let Some((_, items)) = &mut item.content else { return };
    items.iter_mut().for_each(|item| quieten(item, module));
    let section = section::lines(module).into_bytes();
    let section_bytes = section.len();
    let section = LitByteStr::new(&section, Span::call_site());
    let slots = module.functions.iter().filter_map(slot);
    let (waiting, plain): (Vec<_>, Vec<_>) = module.functions.iter().partition(|function| function.is_async);
    let waiting = (!waiting.is_empty()).then(|| exports(module, &waiting, Symbols::Waiting));
    let plain = (!plain.is_empty()).then(|| exports(module, &plain, Symbols::Plain));
    items.extend(module.functions.iter().filter_map(state_alias));
    items.push(parse_quote! {
        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        #[allow(warnings, missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::pedantic, clippy::restriction)]
        mod __wasmpool {
            #[used]
            #[unsafe(link_section = "wasmpool:tasks")]
            static SECTION: [u8; #section_bytes] = *#section;

            #(#slots)*
            #waiting
            #plain
        }
    });
}

/// How the exports of one world are called in the core module, where they share one space of names with everything
/// that is linked in: a sync `open` under its own name would take the place of the C library's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbols {
    /// `[async-lift]open`, the only form that async functions have.
    Waiting,
    /// `cm32p2||open`, the standard form, which no C function can have.
    Plain,
}

const PLAIN_PREFIX: &str = "cm32p2||";

fn exports(module: &Module, functions: &[&Function], symbols: Symbols) -> TokenStream {
    let (name, prefix) = match symbols {
        Symbols::Waiting => ("waiting", ""),
        Symbols::Plain => ("plain", PLAIN_PREFIX),
    };
    let world = LitStr::new(&wit::world(module, functions, name), Span::call_site());
    let name = format_ident!("{name}");
    let converters = convert::converters(module, functions);
    let methods = functions.iter().map(|function| method(module, function));
    let endings =
        functions.iter().filter(|_| symbols == Symbols::Plain).filter_map(|one| ending(module, one));
    quote! {
        mod #name {
            mod bindings {
                ::wasmpool_guest::wit_bindgen::generate!({
                    inline: #world,
                    // No folder: the author's own `wit`, if there is one, is not ours to read.
                    path: [],
                    runtime_path: "::wasmpool_guest::wit_bindgen::rt",
                    export_prefix: #prefix,
                });
            }

            #converters

            struct Tasks;

            impl bindings::Guest for Tasks {
                #(#methods)*
            }

            bindings::export!(Tasks with_types_in bindings);
            #(#endings)*
        }
    }
}

/// Returns the function by which the host hands the memory of a result back. The generator makes it too, but calls it
/// by the older form of name, which does not go with the prefix.
fn ending(module: &Module, function: &Function) -> Option<TokenStream> {
    let wire = function.output.wire()?;
    if !convert::owns_memory(module, &wire) {
        return None;
    }
    let symbol = format!("{PLAIN_PREFIX}{}_post", function.name);
    let snake = function.name.replace('-', "_");
    let (ending, made) = (format_ident!("ending_{snake}"), format_ident!("__post_return_{snake}"));
    Some(quote! {
        #[unsafe(export_name = #symbol)]
        unsafe extern "C" fn #ending(result: *mut ::core::primitive::u8) {
            unsafe { bindings::#made::<Tasks>(result) }
        }
    })
}

/// Keeps lints from calling a task unused off wasm, or needlessly public: its users are outside the crate.
fn quieten(item: &mut Item, module: &Module) {
    let attributes = match item {
        Item::Fn(function) if module.functions.iter().any(|known| known.ident == function.sig.ident) => {
            &mut function.attrs
        }
        Item::Struct(known) => &mut known.attrs,
        Item::Enum(known) => &mut known.attrs,
        _ => return,
    };
    attributes.push(parse_quote!(#[allow(unreachable_pub)]));
    attributes.push(parse_quote!(#[cfg_attr(not(target_family = "wasm"), allow(dead_code))]));
}

/// Returns the place where what an initializer returns is kept. One that returns nothing has a slot too, which knows
/// that it ran.
fn slot(function: &Function) -> Option<TokenStream> {
    let name = slot_name(match function.kind {
        Kind::Task => return None,
        Kind::Init => StateOf::Init,
        Kind::Snapshot => StateOf::Snapshot,
    });
    let alias = alias_name(function.kind)?;
    Some(quote! {
        ::std::thread_local! {
            static #name: ::wasmpool_guest::glue::Slot<super::#alias> = const { ::wasmpool_guest::glue::Slot::new() };
        }
    })
}

/// Returns a name for the type of the state, declared beside the author's functions so that it means what it means
/// there.
fn state_alias(function: &Function) -> Option<Item> {
    let alias = alias_name(function.kind)?;
    let state = function.output.state().map_or(quote!(()), |state| quote!(#state));
    Some(parse_quote! {
        #[cfg(target_family = "wasm")]
        #[doc(hidden)]
        type #alias = #state;
    })
}

fn alias_name(kind: Kind) -> Option<proc_macro2::Ident> {
    match kind {
        Kind::Task => None,
        Kind::Init => Some(format_ident!("__WasmpoolInitState")),
        Kind::Snapshot => Some(format_ident!("__WasmpoolSnapshotState")),
    }
}

fn slot_name(of: StateOf) -> proc_macro2::Ident {
    match of {
        StateOf::Init => format_ident!("INIT"),
        StateOf::Snapshot => format_ident!("SNAPSHOT"),
    }
}

fn method(module: &Module, function: &Function) -> TokenStream {
    let name = names::bindings_value(&function.name);
    let asyncness = function.is_async.then(|| quote!(async));
    let params = function.params.iter().map(|param| {
        let (ident, ty) = (argument(param), convert::bindings_type(module, &param.ty));
        quote!(#ident: #ty)
    });
    let wire = function.output.wire();
    let output = wire.as_ref().map(|ty| {
        let ty = convert::bindings_type(module, ty);
        quote!(-> #ty)
    });
    let taken = function.params.iter().map(|param| take(module, function, param));
    let call = call(module, function);
    let body = match function.kind {
        Kind::Task => give(module, function, &quote!(#call)),
        Kind::Init => prepare(module, function, &call, StateOf::Init),
        Kind::Snapshot => prepare(module, function, &call, StateOf::Snapshot),
    };
    quote! {
        #asyncness fn #name(#(#params),*) #output {
            #(#taken)*
            #body
        }
    }
}

/// Returns the name of a parameter inside the glue, where no name of ours can be in its way.
fn argument(param: &Param) -> proc_macro2::Ident {
    format_ident!("argument_{}", param.name.replace('-', "_"))
}

fn take(module: &Module, function: &Function, param: &Param) -> TokenStream {
    let ident = argument(param);
    let value = convert::expression(module, &param.ty, quote!(#ident), Way::In);
    if !convert::can_fail(module, &param.ty) {
        return quote!(let #ident = #value;);
    }
    let handled = match function.output.wire() {
        Some(Ty::Result(_, Some(error))) if *error == Ty::TaskError => {
            let name = &param.name;
            quote!(return ::core::result::Result::Err(give_task_error(
                ::wasmpool_guest::glue::bad_argument(#name, error)
            )))
        }
        _ => {
            let name = &param.name;
            quote!(::wasmpool_guest::glue::give_up(::wasmpool_guest::glue::bad_argument(#name, error)))
        }
    };
    quote! {
        let #ident = match (move || ::core::result::Result::<_, ::wasmpool_guest::Error>::Ok(#value))() {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(error) => #handled,
        };
    }
}

fn call(module: &Module, function: &Function) -> TokenStream {
    let (ident, task) = (&function.ident, &function.name);
    let state = function.borrows.map(|of| {
        let kind = if of == StateOf::Init { Kind::Init } else { Kind::Snapshot };
        let maker = module.functions.iter().find(|function| function.kind == kind);
        let maker = maker.map_or("", |function| function.name.as_str());
        let slot = slot_name(of);
        quote!(::wasmpool_guest::glue::borrow(&super::#slot, #task, #maker),)
    });
    let arguments = function.params.iter().map(|param| {
        let ident = argument(param);
        if param.passing == Passing::Borrowed { quote!(&#ident) } else { quote!(#ident) }
    });
    let awaited = function.is_async.then(|| quote!(.await));
    quote!(super::super::#ident(#state #(#arguments),*) #awaited)
}

fn give(module: &Module, function: &Function, value: &TokenStream) -> TokenStream {
    let Some(wire) = function.output.wire() else { return quote!(#value;) };
    let converted = convert::expression(module, &wire, quote!(output), Way::Out);
    if !convert::can_fail(module, &wire) {
        return quote!(let output = #value; #converted);
    }
    let handled = match &wire {
        Ty::Result(_, Some(error)) if **error == Ty::TaskError => {
            quote!(::core::result::Result::Err(give_task_error(::wasmpool_guest::glue::bad_output(error))))
        }
        _ => quote!(::wasmpool_guest::glue::give_up(::wasmpool_guest::glue::bad_output(error))),
    };
    quote! {
        let output = #value;
        match (move || ::core::result::Result::<_, ::wasmpool_guest::Error>::Ok(#converted))() {
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(error) => #handled,
        }
    }
}

fn prepare(module: &Module, function: &Function, call: &TokenStream, of: StateOf) -> TokenStream {
    let (slot, name) = (slot_name(of), &function.name);
    let begin = quote!(let opening = ::wasmpool_guest::glue::open(&super::#slot, #name););
    let after = (of == StateOf::Snapshot).then(|| quote!(::wasmpool_guest::glue::forget_sandbox();));
    let kept = |state: Option<&Type>| if state.is_some() { quote!(value) } else { quote!(()) };
    match &function.output {
        Output::Value(_) => quote!(#begin #call; opening.keep(()); #after),
        Output::State(_) => quote!(#begin let value = #call; opening.keep(value); #after),
        Output::StateOrError { state, error } => {
            let kept = kept(state.as_ref());
            let result = Ty::Result(None, error.clone().map(Box::new));
            let converted = convert::expression(module, &result, quote!(output), Way::Out);
            quote! {
                #begin
                let output = match #call {
                    ::core::result::Result::Ok(value) => { opening.keep(#kept); ::core::result::Result::Ok(()) }
                    ::core::result::Result::Err(error) => ::core::result::Result::Err(error),
                };
                #after
                #converted
            }
        }
    }
}
