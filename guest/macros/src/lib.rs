//! The `#[tasks]` attribute of `wasmpool-guest`. Use it from there; this crate is its inside.
//!
//! The rooms from the bottom up: `model` is what crosses the wall, `names` and `types` say what may; `attributes`,
//! `states` and `signature` read a function, `parse` the whole `mod`; `wit`, `section`, `convert` and `glue` write the
//! model down as an interface, as a custom section and as Rust code.

use proc_macro::TokenStream;

mod names;
mod model;
mod attributes;
mod types;
mod states;
mod signature;
mod parse;
mod wit;
mod section;
mod convert;
mod glue;

/// Makes every `pub fn` of an inline `mod` a task. The whole story is told in the docs of `wasmpool-guest`.
#[proc_macro_attribute]
pub fn tasks(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(arguments.into(), item.into()).into()
}

/// Returns the author's `mod` with the glue inside it; what is wrong comes back as `compile_error!` beside the
/// `mod`, so that one mistake does not make every use of the `mod` a mistake too.
fn expand(arguments: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let mut item = match parse::inline_mod(&arguments, item) {
        Ok(item) => item,
        Err(error) => return error.into_compile_error(),
    };
    match parse::take_module(&mut item) {
        Ok(module) => {
            glue::add_to(&mut item, &module);
            quote::quote!(#item)
        }
        Err(error) => {
            let error = error.into_compile_error();
            quote::quote!(#item #error)
        }
    }
}
