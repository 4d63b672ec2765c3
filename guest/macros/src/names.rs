//! How a Rust name is spelled on the wire, and how the bindings generator spells it back. Names that have no
//! faithful spelling (`_a`, `a__b`) are refused here.

use heck::{ToKebabCase, ToSnakeCase, ToUpperCamelCase};
use proc_macro2::Ident;
use quote::format_ident;
use syn::Error;
use syn::ext::IdentExt;

/// Returns the kebab-case name of `ident`.
pub(crate) fn kebab(ident: &Ident) -> syn::Result<String> {
    let text = ident.unraw().to_string();
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let words = text.split('_').all(|word| !word.is_empty());
    if !plain || !words || text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Error::new(
            ident.span(),
            format!(
                "`{text}` has no name outside Rust: use ASCII letters and digits, words separated by a single `_`, \
                 and no `_` at either end"
            ),
        ));
    }
    Ok(text.to_kebab_case())
}

/// Returns the name that the bindings generator gives the type `name`.
pub(crate) fn bindings_type(name: &str) -> Ident {
    match name {
        "guest" => format_ident!("Guest_"),
        name => format_ident!("{}", name.to_upper_camel_case()),
    }
}

/// Returns the name that the bindings generator gives the case `name` of an enum or a variant.
pub(crate) fn bindings_case(name: &str) -> Ident {
    format_ident!("{}", name.to_upper_camel_case())
}

/// Returns the name that the bindings generator gives the function or field `name`.
pub(crate) fn bindings_value(name: &str) -> Ident {
    let snake = name.to_snake_case();
    if syn::parse_str::<Ident>(&snake).is_ok() { format_ident!("{snake}") } else { format_ident!("{snake}_") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kebab_of(text: &str) -> Option<String> {
        kebab(&Ident::new(text, proc_macro2::Span::call_site())).ok()
    }

    #[test]
    fn names_become_kebab_case() {
        assert_eq!(kebab_of("get_status").as_deref(), Some("get-status"));
        assert_eq!(kebab_of("TooOld").as_deref(), Some("too-old"));
        assert_eq!(kebab_of("HTTPServer").as_deref(), Some("http-server"));
        assert_eq!(kebab_of("read_2").as_deref(), Some("read-2"));
    }

    #[test]
    fn a_raw_identifier_loses_its_mark() {
        let raw: Ident = syn::parse_str("r#type").expect("a raw identifier");
        assert_eq!(kebab(&raw).ok().as_deref(), Some("type"));
    }

    #[test]
    fn names_without_a_faithful_spelling_are_refused() {
        for name in ["_a", "a_", "a__b", "größe"] {
            assert_eq!(kebab_of(name), None, "{name}");
        }
    }

    #[test]
    fn the_bindings_spell_names_back() {
        assert_eq!(bindings_type("http-server"), "HttpServer");
        assert_eq!(bindings_type("guest"), "Guest_");
        assert_eq!(bindings_case("too-old"), "TooOld");
        assert_eq!(bindings_value("type"), "type_");
        assert_eq!(bindings_value("get-status"), "get_status");
    }
}
