//! Words for a shell, such that what is printed can be pasted.

use std::borrow::Cow;

/// Returns `word` such that a POSIX shell reads it as one word.
pub(crate) fn quote(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn only_what_a_shell_would_touch_is_quoted() {
        for (word, quoted) in [
            ("greet", "greet"),
            ("demo:raw/shapes@1.0.0#area", "'demo:raw/shapes@1.0.0#area'"),
            ("./a-b_c.wasm", "./a-b_c.wasm"),
            ("", "''"),
            ("two words", "'two words'"),
            (r#"{"a":[1]}"#, r#"'{"a":[1]}'"#),
            ("it's", r"'it'\''s'"),
            ("~", "'~'"),
            ("$HOME\n", "'$HOME\n'"),
        ] {
            assert_eq!(quote(word), quoted);
        }
    }
}
