//! Numbers, characters and bytes, in both directions.
//!
//! Integers are exact: a JSON number with a fraction or outside the range is a complaint, never rounded.
//! Floats come back with the same bits (all NaNs count as one), and an `f32` is printed with the digits
//! it needs itself, `0.1`, rather than those of the nearest `f64`. Infinities and NaN are strings, for
//! JSON has no such numbers. Bytes are standard base64 with padding, which inputs may leave out.

use crate::values::bad_value::{BadValue, describe};
use crate::values::shorten::shorten_json;
use crate::values::type_text::short_type_text;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Number, Value as Json};
use wasmtime::component::Type;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// From here on the neighbours of a float are two apart, so it no longer says which integer was written.
const FIRST_INEXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

/// Returns the integer that `json` is; `1.0` and `1e3` are integers too.
pub(crate) fn integer_from_json<T: TryFrom<i128>>(ty: &Type, json: &Json) -> Result<T, BadValue> {
    let Json::Number(number) = json else { return Err(BadValue::wrong_sort(ty, json)) };
    let wide = match whole_number(number) {
        Whole::Exact(wide) => wide,
        Whole::Rounded(rounded) if T::try_from(rounded).is_err() => {
            return Err(BadValue::does_not_fit(ty, json));
        }
        Whole::Rounded(_) => {
            let (ty, shown) = (short_type_text(ty), shorten_json(json));
            return Err(BadValue::new(format!("expected {ty} with all its digits, found {shown}")));
        }
        Whole::Fraction => {
            let (ty, shown) = (short_type_text(ty), shorten_json(json));
            return Err(BadValue::new(format!("expected {ty}, found a fraction ({shown})")));
        }
    };
    T::try_from(wide).map_err(|_| BadValue::does_not_fit(ty, json))
}

/// What a JSON number is to an integer.
enum Whole {
    Exact(i128),
    /// Written as a float so large that the parser has rounded it, perhaps from beyond the range.
    Rounded(i128),
    Fraction,
}

fn whole_number(number: &Number) -> Whole {
    if let Some(positive) = number.as_u64() {
        return Whole::Exact(positive.into());
    }
    if let Some(negative) = number.as_i64() {
        return Whole::Exact(negative.into());
    }
    match number.as_f64() {
        Some(float) if float.fract() != 0.0 => Whole::Fraction,
        Some(float) if float.abs() < FIRST_INEXACT => Whole::Exact(float as i128),
        Some(float) => Whole::Rounded(float as i128),
        None => Whole::Rounded(i128::MAX),
    }
}

/// Returns the `f64` that `json` is, as a number or by name.
pub(crate) fn float64_from_json(ty: &Type, json: &Json) -> Result<f64, BadValue> {
    match json {
        Json::Number(number) => number.as_f64().ok_or_else(|| BadValue::does_not_fit(ty, json)),
        Json::String(name) => float_named(name).ok_or_else(|| BadValue::wrong_sort(ty, json)),
        _ => Err(BadValue::wrong_sort(ty, json)),
    }
}

/// Returns the `f32` that `json` is, as a number or by name.
pub(crate) fn float32_from_json(ty: &Type, json: &Json) -> Result<f32, BadValue> {
    let float = float64_from_json(ty, json)?;
    let rounded = float as f32;
    if float.is_finite() && rounded.is_infinite() {
        return Err(BadValue::does_not_fit(ty, json));
    }
    Ok(rounded)
}

fn float_named(name: &str) -> Option<f64> {
    match name {
        "NaN" | "nan" => Some(f64::NAN),
        "Infinity" | "inf" => Some(f64::INFINITY),
        "-Infinity" | "-inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

pub(crate) fn float64_to_json(float: f64) -> Json {
    match Number::from_f64(float) {
        Some(number) => Json::Number(number),
        None if float.is_nan() => Json::from("NaN"),
        None if float > 0.0 => Json::from("Infinity"),
        None => Json::from("-Infinity"),
    }
}

pub(crate) fn float32_to_json(float: f32) -> Json {
    let shortest: f64 = float.to_string().parse().expect("floats parse what they print");
    // Rounding twice, to f64 and on to f32, must not end at a neighbour.
    let is_exact = (shortest as f32).to_bits() == float.to_bits();
    float64_to_json(if is_exact { shortest } else { f64::from(float) })
}

/// Returns the only character of a string.
pub(crate) fn char_from_json(ty: &Type, json: &Json) -> Result<char, BadValue> {
    json.as_str().and_then(only_char).ok_or_else(|| BadValue::wrong_sort(ty, json))
}

/// Returns the character if `text` is just one.
pub(crate) fn only_char(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

/// Returns the bytes that base64 `text` stands for.
pub(crate) fn bytes_from_base64(text: &str) -> Result<Vec<u8>, BadValue> {
    BASE64.decode(text).map_err(|cause| {
        let found = describe(&Json::from(text));
        BadValue::new(format!("expected base64, found {found}: {}", as_fragment(&cause.to_string())))
    })
}

/// Returns `bytes` as base64.
pub(crate) fn base64_of(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// Returns the items of an array, as lists of all kinds are written.
pub(crate) fn items_of<'a>(ty: &Type, json: &'a Json) -> Result<&'a [Json], BadValue> {
    json.as_array().map(Vec::as_slice).ok_or_else(|| BadValue::wrong_sort(ty, json))
}

/// Fits a sentence of another crate into ours.
fn as_fragment(sentence: &str) -> String {
    let mut chars = sentence.trim_end_matches('.').chars();
    chars.next().into_iter().flat_map(char::to_lowercase).chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::{base64_of, bytes_from_base64, char_from_json};
    use super::{float32_from_json, float32_to_json, float64_from_json, float64_to_json, integer_from_json};
    use serde_json::Value as Json;
    use wasmtime::component::Type;

    fn parse(text: &str) -> Json {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn integers_are_exact_to_both_ends() {
        let u64_of =
            |text: &str| integer_from_json::<u64>(&Type::U64, &parse(text)).map_err(|e| e.to_string());
        let s64_of =
            |text: &str| integer_from_json::<i64>(&Type::S64, &parse(text)).map_err(|e| e.to_string());
        assert_eq!(u64_of("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(s64_of("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(s64_of("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(u64_of("1e3"), Ok(1000));
        assert_eq!(s64_of("-0.0"), Ok(0));
        assert_eq!(u64_of("18446744073709551616").unwrap_err(), "1.8446744073709552e+19 does not fit u64");
        assert_eq!(u64_of("-1").unwrap_err(), "-1 does not fit u64");
        assert_eq!(s64_of("9223372036854775808").unwrap_err(), "9223372036854775808 does not fit s64");
        // One below the range is rounded into it by the parser: taking it would be taking another number.
        let rounded = "expected s64 with all its digits, found -9.223372036854776e+18";
        assert_eq!(s64_of("-9223372036854775809").unwrap_err(), rounded);
    }

    #[test]
    fn small_integers_have_their_own_ranges_and_no_fractions() {
        let complaint =
            |json: &str| integer_from_json::<u8>(&Type::U8, &parse(json)).unwrap_err().to_string();
        assert_eq!(integer_from_json::<i8>(&Type::S8, &parse("-128")).unwrap(), -128);
        assert_eq!(complaint("300"), "300 does not fit u8");
        assert_eq!(complaint("1e300"), "1e+300 does not fit u8");
        assert_eq!(complaint("1.5"), "expected u8, found a fraction (1.5)");
        assert_eq!(complaint("\"1\""), r#"expected u8, found a string ("1")"#);
    }

    #[test]
    fn floats_print_the_digits_of_their_own_precision() {
        for (float, text) in
            [(0.1_f32, "0.1"), (-0.0, "-0.0"), (16_777_216.0, "16777216.0"), (1e-45, "1e-45")]
        {
            assert_eq!(float32_to_json(float).to_string(), text);
            let back = float32_from_json(&Type::Float32, &parse(text)).unwrap();
            assert_eq!(back.to_bits(), float.to_bits());
        }
        assert_eq!(float64_to_json(0.1).to_string(), "0.1");
        assert_eq!(float64_from_json(&Type::Float64, &parse("3")).unwrap(), 3.0);
        let too_large = float32_from_json(&Type::Float32, &parse("1e39")).unwrap_err();
        assert_eq!(too_large.to_string(), "1e+39 does not fit f32");
    }

    #[test]
    fn what_is_no_json_number_goes_by_name() {
        for (float, name) in
            [(f64::INFINITY, "Infinity"), (f64::NEG_INFINITY, "-Infinity"), (f64::NAN, "NaN")]
        {
            assert_eq!(float64_to_json(float), Json::from(name));
            assert_eq!(float32_to_json(float as f32), Json::from(name));
        }
        for (name, bits) in
            [("inf", f64::INFINITY), ("-inf", f64::NEG_INFINITY), ("-Infinity", f64::NEG_INFINITY)]
        {
            assert_eq!(float64_from_json(&Type::Float64, &Json::from(name)).unwrap(), bits);
        }
        assert!(float32_from_json(&Type::Float32, &Json::from("nan")).unwrap().is_nan());
        let unknown = float64_from_json(&Type::Float64, &Json::from("1.5")).unwrap_err();
        assert_eq!(unknown.to_string(), r#"expected f64, found a string ("1.5")"#);
    }

    #[test]
    fn a_char_is_a_string_of_just_one() {
        assert_eq!(char_from_json(&Type::Char, &Json::from("🦀")).unwrap(), '🦀');
        for text in ["", "ab"] {
            let complaint = char_from_json(&Type::Char, &Json::from(text)).unwrap_err().to_string();
            assert_eq!(complaint, format!("expected char (one character), found a string ({text:?})"));
        }
    }

    #[test]
    fn bytes_are_base64_with_or_without_padding() {
        assert_eq!(base64_of(b"hello"), "aGVsbG8=");
        assert_eq!(bytes_from_base64("aGVsbG8=").unwrap(), b"hello");
        assert_eq!(bytes_from_base64("aGVsbG8").unwrap(), b"hello");
        assert_eq!(bytes_from_base64("").unwrap(), b"");
        assert_eq!(
            bytes_from_base64("a-b").unwrap_err().to_string(),
            r#"expected base64, found a string ("a-b"): invalid symbol 45, offset 1"#
        );
    }
}
