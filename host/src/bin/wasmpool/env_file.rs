//! Files of variables, as `--env-file` takes them: `KEY=VALUE` a line, `export ` before it if you like, `#` for comments.
//! A value in single quotes is what it is; in double quotes `\n`, `\r`, `\t`, `\"`, `\\` and `\$` stand for characters.
//! Nothing is expanded, and no value spans lines.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};

/// Reads a file of variables.
///
/// # Errors
/// It cannot be read, or which line is no variable.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("--env-file: cannot read `{shown}`"))?;
    parse(&text).map_err(|(line, problem)| anyhow!("--env-file: `{shown}`, line {line}: {problem}"))
}

fn parse(text: &str) -> Result<Vec<(String, String)>, (usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim).enumerate();
    let variables = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    variables.map(|(index, line)| variable(line).map_err(|problem| (index + 1, problem))).collect()
}

fn variable(line: &str) -> Result<(String, String), String> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (key, value) = line.split_once('=').ok_or("expected KEY=VALUE")?;
    let key = key.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if key.is_empty() || !key.chars().all(is_name) {
        return Err(format!("`{key}` is no name of a variable"));
    }
    let value = value.trim_start();
    let (value, rest) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&value[1..], quote)?,
        _ => (unquoted(value), ""),
    };
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err(format!("`{rest}` stands after the value's closing quote"));
    }
    if value.contains('\0') {
        return Err("a value has no NUL".to_owned());
    }
    Ok((key.to_owned(), value))
}

/// A comment begins at a `#` after a space, so that a value may have one in it.
fn unquoted(value: &str) -> String {
    if value.starts_with('#') {
        return String::new();
    }
    let end = value.find(" #").or_else(|| value.find("\t#")).unwrap_or(value.len());
    value[..end].trim_end().to_owned()
}

/// Returns what is in quotes, and what comes after them.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((value, &text[place + 1..])),
            '\\' if quote == '"' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 'r')) => value.push('\r'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c @ ('"' | '\\' | '$'))) => value.push(c),
                Some((_, other)) => value.extend(['\\', other]),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err(format!("the value's closing {quote} is missing"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn variables_may_have_comments_quotes_and_exports_about_them() {
        let text = "# first\nA=1\n\n export B = two words # not this\nC='$x \\n # y'\nD=\"a\\nb \\\"c\\\"\" # z\nE=\nF=a#b\n";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "$x \\n # y"),
            ("D", "a\nb \"c\""),
            ("E", ""),
            ("F", "a#b"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn a_line_that_is_no_variable_is_told_by_its_number() {
        for (text, line, problem) in [
            ("A=1\nB\n", 2, "expected KEY=VALUE"),
            ("\n\n=x", 3, "`` is no name of a variable"),
            ("A B=1", 1, "`A B` is no name of a variable"),
            ("A=\"x", 1, "the value's closing \" is missing"),
            ("A='x' y", 1, "`y` stands after the value's closing quote"),
        ] {
            assert_eq!(parse(text), Err((line, problem.to_owned())), "{text}");
        }
    }
}
