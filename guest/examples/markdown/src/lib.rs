//! Markdown to HTML: a task module that only computes. Text that nobody trusts is parsed where it can do no harm.
//!
//! ```text
//! wasmpool run guest/examples/markdown to-html '# Hello'
//! ```

use wasmpool_guest::tasks;

/// Turns Markdown into HTML and lists its headings.
#[tasks]
mod markdown {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

    /// A heading of a document.
    #[derive(Debug, PartialEq, Eq)]
    pub struct Heading {
        /// From 1, the highest, to 6.
        pub level: u8,
        /// The text without its markup.
        pub text: String,
    }

    /// HTML of `markdown`, with tables, footnotes, strikethrough and task lists.
    pub fn to_html(markdown: String) -> String {
        let mut html = String::with_capacity(markdown.len() * 3 / 2);
        html::push_html(&mut html, parse(&markdown));
        html
    }

    /// The headings of `markdown`, in their order.
    pub fn outline(markdown: &str) -> Vec<Heading> {
        let mut headings: Vec<Heading> = Vec::new();
        let mut is_inside = false;
        for event in parse(markdown) {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    headings.push(Heading { level: level as u8, text: String::new() });
                    is_inside = true;
                }
                Event::End(TagEnd::Heading(_)) => is_inside = false,
                Event::Text(text) | Event::Code(text) if is_inside => {
                    if let Some(heading) = headings.last_mut() {
                        heading.text.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        headings
    }

    fn parse(markdown: &str) -> Parser<'_> {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS;
        Parser::new_ext(markdown, options)
    }
}

#[cfg(test)]
mod tests {
    use super::markdown::{Heading, outline, to_html};

    #[test]
    fn markdown_becomes_html() {
        assert_eq!(to_html("# Hello *you*".to_owned()), "<h1>Hello <em>you</em></h1>\n");
    }

    #[test]
    fn tables_are_understood() {
        assert!(to_html("| a |\n|---|\n| 1 |\n".to_owned()).contains("<table>"));
    }

    #[test]
    fn the_outline_has_the_headings_without_markup() {
        let headings = outline("# One\ntext\n## *Two* `code`\n");
        let expected =
            [Heading { level: 1, text: "One".to_owned() }, Heading { level: 2, text: "Two code".to_owned() }];
        assert_eq!(headings, expected);
    }
}
