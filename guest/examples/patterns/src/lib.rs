//! Regular expressions, compiled once in each sandbox and used by every call in it: what an initializer is for.
//!
//! ```text
//! wasmpool map guest/examples/patterns matches --lines --input app.log --init-arg '["error: .*","took \\d+ ms"]' --values
//! ```

use wasmpool_guest::tasks;

/// Finds what patterns match in lines of text.
#[tasks]
mod patterns {
    use regex::{Regex, RegexSet};
    use wasmpool_guest::{Context, Error};

    /// The compiled patterns: all at once to see which match, and each to see what.
    pub struct Matcher {
        all: RegexSet,
        each: Vec<Regex>,
    }

    /// Compiles `patterns`. One that is no regular expression is named in the error.
    #[init]
    pub fn compile(patterns: Vec<String>) -> Result<Matcher, Error> {
        let each = patterns
            .iter()
            .map(|pattern| Regex::new(pattern).with_context(|| format!("cannot use the pattern `{pattern}`")))
            .collect::<Result<_, _>>()?;
        Ok(Matcher { all: RegexSet::new(&patterns)?, each })
    }

    /// What the patterns match in `line`: the first match of each pattern that has one, in the order of the patterns.
    pub fn matches(matcher: &Matcher, line: String) -> Vec<String> {
        let matching = matcher.all.matches(&line);
        let found = matching.iter().filter_map(|place| matcher.each[place].find(&line));
        found.map(|found| found.as_str().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::patterns::{compile, matches};

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_pattern_gives_its_first_match() {
        let matcher = compile(owned(&["[0-9]+", "[a-z]+", "[A-Z]+"])).expect("good patterns");
        assert_eq!(matches(&matcher, "abc 12 def 34".to_owned()), ["12", "abc"]);
    }

    #[test]
    fn a_bad_pattern_is_named() {
        let Err(error) = compile(owned(&["fine", "("])) else { panic!("`(` is no pattern") };
        assert!(error.to_string().contains("`(`"));
    }
}
