//! Reads `#[init]`, `#[snapshot]`, `#[retry]`, `#[timeout]` and `#[idempotent]` off a function. They are checked
//! as far as one function can tell and recorded; obeying them is the host's part.

use proc_macro2::{Ident, Span};
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, ExprLit, ItemFn, Lit, LitStr, Meta, MetaNameValue, Token};

use crate::model::{Kind, Policy, Retry, Timeout};

const OURS: [&str; 5] = ["init", "snapshot", "retry", "timeout", "idempotent"];
const RETRY_KEYS: &str =
    "`attempts`, `first_delay`, `max_delay`, `factor`, `jitter`, `within` or `on(case, …)`";

/// What the attributes of one function say.
pub(crate) struct Attributes {
    pub(crate) kind: Kind,
    pub(crate) policy: Policy,
    /// The cases in `on(…)` as the author wrote them; only the error type tells whether they exist.
    pub(crate) on: Vec<Ident>,
}

/// A `pub fn` and what stood above it.
pub(crate) struct Written<'a> {
    pub(crate) function: &'a ItemFn,
    pub(crate) attributes: Attributes,
}

/// Takes our attributes out of `attributes`, leaving all others.
pub(crate) fn take(attributes: &mut Vec<Attribute>) -> Vec<Attribute> {
    attributes.extract_if(.., |attribute| is_ours(attribute)).collect()
}

fn is_ours(attribute: &Attribute) -> bool {
    OURS.iter().any(|name| attribute.path().is_ident(name))
}

/// Reads what [`take`] took.
pub(crate) fn read(taken: &[Attribute]) -> syn::Result<Attributes> {
    let mut read = Attributes { kind: Kind::Task, policy: Policy::default(), on: Vec::new() };
    for (place, attribute) in taken.iter().enumerate() {
        let name = attribute.path();
        if taken[..place].iter().any(|earlier| earlier.path() == name) {
            return Err(Error::new_spanned(attribute, "this attribute was given already"));
        }
        if name.is_ident("retry") {
            let (retry, on) = read_retry(attribute)?;
            read.policy.retry = Some(retry);
            read.on = on;
        } else if name.is_ident("timeout") {
            read.policy.timeout = Some(read_timeout(attribute)?);
        } else {
            attribute.meta.require_path_only()?;
            match name.get_ident().map(Ident::to_string).as_deref() {
                Some("init") => set_kind(&mut read, Kind::Init, attribute)?,
                Some("snapshot") => set_kind(&mut read, Kind::Snapshot, attribute)?,
                _ => read.policy.idempotent = true,
            }
        }
    }
    refuse_policy_of_initializers(&read, taken)?;
    Ok(read)
}

fn set_kind(read: &mut Attributes, kind: Kind, attribute: &Attribute) -> syn::Result<()> {
    if read.kind != Kind::Task {
        return Err(Error::new_spanned(attribute, "a function is either `#[init]` or `#[snapshot]`"));
    }
    read.kind = kind;
    Ok(())
}

fn refuse_policy_of_initializers(read: &Attributes, taken: &[Attribute]) -> syn::Result<()> {
    let refused = |attribute: &&Attribute| {
        attribute.path().is_ident("retry") || attribute.path().is_ident("idempotent")
    };
    match taken.iter().find(refused) {
        Some(attribute) if read.kind != Kind::Task => {
            Err(Error::new_spanned(attribute, "only tasks are retried; this function prepares a sandbox"))
        }
        _ => Ok(()),
    }
}

fn read_timeout(attribute: &Attribute) -> syn::Result<Timeout> {
    let text: LitStr = attribute.parse_args().map_err(|error| {
        Error::new(error.span(), "a timeout is written `#[timeout(\"2s\")]` or `#[timeout(\"none\")]`")
    })?;
    if text.value() == "none" {
        return Ok(Timeout::Never);
    }
    Ok(Timeout::After { timeout_ms: positive_millis(&text)? })
}

fn read_retry(attribute: &Attribute) -> syn::Result<(Retry, Vec<Ident>)> {
    let mut retry = Retry {
        attempts: 3,
        first_delay_ms: 100,
        max_delay_ms: 10_000,
        factor: 2.0,
        jitter: true,
        within_ms: None,
        on: Vec::new(),
    };
    let mut on = Vec::new();
    if matches!(attribute.meta, Meta::Path(_)) {
        return Ok((retry, on));
    }
    let settings = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
    for (place, setting) in settings.iter().enumerate() {
        if settings.iter().take(place).any(|earlier| earlier.path() == setting.path()) {
            return Err(Error::new_spanned(setting, "this setting was given already"));
        }
        match setting {
            Meta::NameValue(pair) => set_retry(&mut retry, pair)?,
            Meta::List(list) if list.path.is_ident("on") => on = list.parse_args_with(read_cases)?,
            other => return Err(Error::new_spanned(other, format!("expected {RETRY_KEYS}"))),
        }
    }
    if retry.first_delay_ms > retry.max_delay_ms {
        return Err(Error::new_spanned(
            attribute,
            format!("`first_delay` is longer than `max_delay` ({} ms)", retry.max_delay_ms),
        ));
    }
    Ok((retry, on))
}

fn read_cases(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    let cases = Punctuated::<Ident, Token![,]>::parse_terminated(input)?;
    if cases.is_empty() {
        return Err(Error::new(input.span(), "`on` names at least one case of the task's error"));
    }
    Ok(cases.into_iter().collect())
}

fn set_retry(retry: &mut Retry, pair: &MetaNameValue) -> syn::Result<()> {
    let key = pair.path.get_ident().map(Ident::to_string).unwrap_or_default();
    let wrong = |expected: &str| Error::new_spanned(&pair.value, format!("`{key}` is {expected}"));
    let literal = match &pair.value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    };
    match (key.as_str(), literal) {
        ("attempts", Some(Lit::Int(number))) => match number.base10_parse::<u32>() {
            Ok(attempts) if attempts > 0 => retry.attempts = attempts,
            _ => return Err(wrong("at least 1, the first try included, and at most 4294967295")),
        },
        ("attempts", _) => return Err(wrong("a number, the first try included")),
        ("first_delay", Some(Lit::Str(text))) => retry.first_delay_ms = millis(text)?,
        ("max_delay", Some(Lit::Str(text))) => retry.max_delay_ms = millis(text)?,
        ("within", Some(Lit::Str(text))) => retry.within_ms = Some(positive_millis(text)?),
        ("first_delay" | "max_delay" | "within", _) => return Err(wrong("a duration such as \"100ms\"")),
        ("factor", Some(lit)) => {
            retry.factor = factor(lit).ok_or_else(|| wrong("a number of at least 1.0"))?
        }
        ("factor", None) => return Err(wrong("a number of at least 1.0")),
        ("jitter", Some(Lit::Bool(jitter))) => retry.jitter = jitter.value,
        ("jitter", _) => return Err(wrong("`true` (a random part of the delay) or `false`")),
        _ => return Err(Error::new_spanned(&pair.path, format!("expected {RETRY_KEYS}"))),
    }
    Ok(())
}

fn factor(literal: &Lit) -> Option<f64> {
    let factor = match literal {
        Lit::Float(number) => number.base10_parse::<f64>().ok()?,
        Lit::Int(number) => number.base10_parse::<u32>().ok()?.into(),
        _ => return None,
    };
    (factor.is_finite() && factor >= 1.0).then_some(factor)
}

fn positive_millis(text: &LitStr) -> syn::Result<u64> {
    match millis(text)? {
        0 => Err(Error::new(text.span(), "this duration must be longer than zero")),
        millis => Ok(millis),
    }
}

fn millis(text: &LitStr) -> syn::Result<u64> {
    parse_millis(&text.value()).ok_or_else(|| bad_duration(text.span()))
}

fn bad_duration(span: Span) -> Error {
    Error::new(
        span,
        "a duration is a number with a unit, in whole milliseconds and at most a year: \"100ms\", \"1.5s\", \"2m\", \"1h\"",
    )
}

/// A year: hosts take a longer time for a mistake.
const MOST_MILLIS: u64 = 366 * 24 * 3_600_000;

/// Reads `1.5s` and the like. Exact: what is no whole number of milliseconds is refused, not rounded.
fn parse_millis(text: &str) -> Option<u64> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let (number, unit_ms) =
        units.iter().find_map(|(unit, unit_ms)| Some((text.strip_suffix(unit)?, *unit_ms)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let part = fraction.parse::<u64>().ok()?.checked_mul(unit_ms)?;
    if part % scale != 0 {
        return None;
    }
    let millis = whole.parse::<u64>().ok()?.checked_mul(unit_ms)?.checked_add(part / scale)?;
    (millis <= MOST_MILLIS).then_some(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn durations_are_exact() {
        let table =
            [("100ms", Some(100)), ("1.5s", Some(1_500)), ("2m", Some(120_000)), ("0.5h", Some(1_800_000))];
        for (text, millis) in table {
            assert_eq!(parse_millis(text), millis, "{text}");
        }
        for text in ["", "5", "ms", "1.s", "-1s", "1 s", "0.5ms", "99999999999999999999s", "9000h", "1d"] {
            assert_eq!(parse_millis(text), None, "{text}");
        }
    }

    #[test]
    fn a_bare_retry_means_three_attempts() {
        let read = read(&[parse_quote!(#[retry])]).expect("a bare retry");
        let retry = read.policy.retry.expect("a retry");
        assert_eq!((retry.attempts, retry.first_delay_ms, retry.max_delay_ms), (3, 100, 10_000));
        assert!(retry.jitter);
    }

    #[test]
    fn every_setting_is_read() {
        let read = read(&[
            parse_quote!(#[retry(attempts = 5, first_delay = "1s", max_delay = "1m", factor = 3, jitter = false, within = "1h", on(Busy))]),
            parse_quote!(#[timeout("2s")]),
            parse_quote!(#[idempotent]),
        ])
        .expect("good attributes");
        let retry = read.policy.retry.expect("a retry");
        assert_eq!((retry.attempts, retry.factor, retry.within_ms), (5, 3.0, Some(3_600_000)));
        assert_eq!(read.policy.timeout, Some(Timeout::After { timeout_ms: 2_000 }));
        assert!(read.policy.idempotent && !retry.jitter && read.on[0] == "Busy");
    }
}
