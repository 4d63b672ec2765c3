//! Asks web servers: a client that is set up once in each sandbox, then thousands of requests that wait side by side.
//!
//! ```text
//! wasmpool map guest/examples/status get-status --lines --input urls.txt --init-arg 2000 --http https://example.org --values
//! ```

use wasmpool_guest::tasks;

/// Asks web servers for statuses and titles.
#[tasks]
mod status {
    use std::time::Duration;

    use wasmpool_guest::{Error, http::Client};

    /// How much of a page is looked at for its title.
    const HEAD_BYTES: usize = 64 << 10;

    /// What all requests of a sandbox have in common.
    pub struct Session {
        client: Client,
    }

    /// Gives every request `timeout_ms` milliseconds, redirects and body included.
    #[init]
    pub fn open_session(timeout_ms: u32) -> Session {
        Session { client: Client::new().timeout(Duration::from_millis(timeout_ms.into())) }
    }

    /// HTTP status of `url`, after redirects.
    pub async fn get_status(session: &Session, url: String) -> Result<u16, Error> {
        Ok(session.client.get(&url).send().await?.status())
    }

    /// Title of the page at `url`, if it has one in its first 64 KiB. No more than that is fetched.
    #[retry]
    pub async fn fetch_title(session: &Session, url: String) -> Result<Option<String>, Error> {
        let mut page = session.client.get(&url).send().await?.error_for_status()?;
        let mut head = Vec::new();
        while let Some(chunk) = page.chunk().await? {
            head.extend_from_slice(&chunk);
            let title = title_in(&String::from_utf8_lossy(&head));
            if title.is_some() || head.len() >= HEAD_BYTES {
                return Ok(title);
            }
        }
        Ok(None)
    }

    /// The text of the first `<title>` that is complete.
    fn title_in(page: &str) -> Option<String> {
        let lower = page.to_ascii_lowercase();
        let tag = lower.find("<title")?;
        let start = tag + lower[tag..].find('>')? + 1;
        let end = start + lower[start..].find("</title")?;
        Some(page[start..end].split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::status::{fetch_title, get_status, open_session};
    use wasmpool_guest::testing::{HttpAnswer, block_on, serve_http};

    #[test]
    fn a_status_is_that_of_the_last_page() {
        serve_http(|request| match request.path.as_str() {
            "/old" => HttpAnswer::new(301).header("location", "/new"),
            "/new" => HttpAnswer::new(204),
            _ => HttpAnswer::new(404),
        });
        let session = open_session(2_000);
        let status = |url: &str| block_on(get_status(&session, url.to_owned())).expect("an answer");
        assert_eq!((status("http://example.org/old"), status("http://example.org/x")), (204, 404));
    }

    #[test]
    fn a_title_is_found_in_the_first_pieces() {
        let filler = "x".repeat(10_000);
        let page = format!(
            "<HTML><head><!-- {filler} --><Title lang=en>\n One\n two </TITLE>{}",
            filler.repeat(100)
        );
        serve_http(move |_| HttpAnswer::new(200).body(page.clone()));
        let title = block_on(fetch_title(&open_session(2_000), "http://example.org/".to_owned()));
        assert_eq!(title.expect("a page").as_deref(), Some("One two"));
    }

    #[test]
    fn a_page_without_a_title_has_none() {
        serve_http(|_| HttpAnswer::new(200).body("plain text"));
        let title = block_on(fetch_title(&open_session(2_000), "http://example.org/".to_owned()));
        assert_eq!(title.expect("a page"), None);
    }
}
