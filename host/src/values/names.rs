//! Names that people mistype.
//!
//! WIT writes names in kebab-case, most JSON in snake_case. Wherever a name is expected (a parameter,
//! field, case or flag) both spellings are taken; what is written out is always kebab-case.

use crate::values::shorten::shorten;

/// Returns true if `given` is the WIT name `name`, or is it with `_` for every `-`.
pub(crate) fn is_same_name(name: &str, given: &str) -> bool {
    let in_snake_case = name.bytes().map(|byte| if byte == b'-' { b'_' } else { byte });
    name == given || (name.len() == given.len() && in_snake_case.eq(given.bytes()))
}

/// Returns the problem that there is no `what` called `given`, with the names there are.
pub(crate) fn unknown_name(what: &str, given: &str, names: &[&str]) -> String {
    let shown = shorten(given);
    match closest(given, names) {
        Some(name) => format!("unknown {what} {shown:?}; did you mean {name:?}?"),
        None if names.is_empty() => format!("unknown {what} {shown:?}; there are none"),
        None => format!("unknown {what} {shown:?}; expected {}", shorten(&names.join(", "))),
    }
}

/// Returns the name that `given` was probably meant to be.
fn closest<'a>(given: &str, names: &[&'a str]) -> Option<&'a str> {
    let likely = |name: &&str| {
        let mistakes = edits_between(&name.to_lowercase(), &given.to_lowercase().replace('_', "-"));
        (mistakes <= 1 + name.len() / 4 && mistakes < name.len()).then_some(mistakes)
    };
    // Every edit changes the length by at most one, and much longer inputs are not worth the quadratic count.
    let comparable = names.iter().filter(|name| name.len().abs_diff(given.len()) <= 1 + name.len() / 4);
    let (_, name) = comparable.filter_map(|name| Some((likely(name)?, *name))).min_by_key(|(m, _)| *m)?;
    Some(name)
}

/// Returns how many characters must be put in, left out or replaced to make `b` of `a` (Levenshtein).
fn edits_between(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{edits_between, is_same_name, unknown_name};

    #[test]
    fn both_spellings_name_the_same_but_a_mixture_does_not() {
        assert!(is_same_name("first-user-name", "first-user-name"));
        assert!(is_same_name("first-user-name", "first_user_name"));
        assert!(!is_same_name("first-user-name", "first_user-name"));
        assert!(!is_same_name("first-user-name", "firstUserName"));
    }

    #[test]
    fn the_closest_name_is_offered_and_far_ones_are_listed() {
        let names = ["name", "age", "home-town"];
        for (given, problem) in [
            ("agge", r#"unknown field "agge"; did you mean "age"?"#),
            ("Name", r#"unknown field "Name"; did you mean "name"?"#),
            ("home_twon", r#"unknown field "home_twon"; did you mean "home-town"?"#),
            ("x", r#"unknown field "x"; expected name, age, home-town"#),
        ] {
            assert_eq!(unknown_name("field", given, &names), problem);
        }
        assert_eq!(unknown_name("field", "x", &[]), r#"unknown field "x"; there are none"#);
    }

    #[test]
    fn edits_are_counted_one_by_one() {
        for (a, b, edits) in [("", "", 0), ("", "ab", 2), ("age", "agge", 1), ("kitten", "sitting", 3)] {
            assert_eq!((edits_between(a, b), edits_between(b, a)), (edits, edits), "{a} {b}");
        }
    }
}
