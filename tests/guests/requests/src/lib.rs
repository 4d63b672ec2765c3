//! Tasks that send HTTP requests of all kinds, for the tests of the SDK's client against a real server.

use std::time::Duration;

use wasmpool_guest::http::{Client, ErrorKind, Method, Redirects};
use wasmpool_guest::{Context, Error, Json, tasks};

/// HTTP requests of all kinds.
#[tasks]
mod requests {
    use super::*;

    /// An answer.
    pub struct Answer {
        status: u16,
        url: String,
        headers: Vec<(String, String)>,
        body: String,
    }

    /// Answer to a GET of `url`.
    pub async fn get(url: String) -> Result<Answer, Error> {
        answer(Client::new().get(&url).send().await?).await
    }

    /// Answer to a GET of `url`, following up to `redirects` redirects.
    pub async fn get_following(url: String, redirects: u32) -> Result<Answer, Error> {
        let client = Client::new().redirects(match redirects {
            0 => Redirects::None,
            most => Redirects::Follow(most),
        });
        answer(client.get(&url).header("authorization", "Bearer secret").send().await?).await
    }

    /// Answer to a request with any method, header and body.
    pub async fn request(
        method: String,
        url: String,
        header: (String, String),
        body: Vec<u8>,
    ) -> Result<Answer, Error> {
        let request = Client::new().request(Method::Other(method), &url).header(&header.0, &header.1);
        let request = if body.is_empty() { request } else { request.body(body) };
        answer(request.send().await?).await
    }

    /// Sends a request without a body, waits, then panics if `goes_wrong` and otherwise returns the status.
    pub async fn ask_and_wait(method: String, url: String, ms: u32, goes_wrong: bool) -> Result<u16, Error> {
        let status = Client::new().request(Method::Other(method), &url).send().await?.status();
        wasmpool_guest::time::sleep(Duration::from_millis(ms.into())).await;
        assert!(!goes_wrong, "a rotten apple");
        Ok(status)
    }

    /// Takes the head of an answer, leaves its body, and waits for ever.
    pub async fn ask_and_hang(url: String) -> Result<u16, Error> {
        let answer = Client::new().get(&url).send().await?;
        std::future::pending::<()>().await;
        Ok(answer.status())
    }

    /// As `ask-and-wait`, and harmless if it is done twice.
    #[idempotent]
    pub async fn ask_and_wait_any_number_of_times(
        method: String,
        url: String,
        ms: u32,
        goes_wrong: bool,
    ) -> Result<u16, Error> {
        ask_and_wait(method, url, ms, goes_wrong).await
    }

    /// What the server makes of a POST of `value`.
    pub async fn post_json(url: String, value: Json<Vec<u32>>) -> Result<Json<Vec<u32>>, Error> {
        let answer = Client::new().post(&url).query("of", "a b").json(&*value).send().await?;
        Ok(Json(answer.error_for_status()?.json().await?))
    }

    /// Number of bytes of the body at `url`, read in pieces, and of the pieces.
    pub async fn count(url: String) -> Result<(u64, u64), Error> {
        let mut answer = Client::new().get(&url).send().await?;
        let (mut bytes, mut pieces) = (0, 0);
        while let Some(piece) = answer.chunk().await? {
            bytes += piece.len() as u64;
            pieces += 1;
        }
        Ok((bytes, pieces))
    }

    /// Sends `mib` MiB to `url`, and returns what it answers.
    pub async fn upload(url: String, mib: u32) -> Result<String, Error> {
        let answer = Client::new().post(&url).body(vec![b'x'; (mib as usize) << 20]).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Takes the first piece at `url` and drops the rest, `times` times.
    pub async fn sip(url: String, times: u32) -> Result<u32, Error> {
        let client = Client::new();
        for _ in 0..times {
            client.get(&url).send().await?.chunk().await?.context("nothing came")?;
            drop(client.get(&url).send().await?);
        }
        Ok(times)
    }

    /// Kind of the error of a GET of `url`, in `timeout_ms` milliseconds.
    pub async fn error_of(url: String, timeout_ms: u32) -> Result<String, Error> {
        let client = Client::new().timeout(Duration::from_millis(timeout_ms.into()));
        let ended = match client.get(&url).send().await {
            Ok(answer) => answer.bytes().await.map(drop),
            Err(error) => Err(error),
        };
        let error = ended.err().context("there was no error")?;
        let sort = match error.kind() {
            ErrorKind::Denied => "denied",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Dns => "dns",
            ErrorKind::Connect => "connect",
            ErrorKind::TooLarge => "too large",
            ErrorKind::Invalid => "invalid",
            _ => "other",
        };
        Ok(format!("{sort}: {error}"))
    }

    async fn answer(answer: wasmpool_guest::http::Response) -> Result<Answer, Error> {
        let (status, url) = (answer.status(), answer.url().to_owned());
        let headers = answer.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Answer { status, url, headers, body: answer.text().await? })
    }
}
