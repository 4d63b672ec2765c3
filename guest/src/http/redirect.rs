//! What becomes of a request when the server sends it elsewhere, by the fetch standard. Pure: the sending is done by
//! whoever asks.

use super::headers::HeaderList;
use super::request::{Method, Outgoing};
use super::{Error, ErrorKind};

/// Whether redirects are followed.
///
/// Each hop is a request of its own, so the host lets it pass only to an origin that is granted. A hop to another origin
/// loses the headers `authorization`, `cookie` and `proxy-authorization`. A POST that is answered with 301 or 302, and
/// any request but HEAD that is answered with 303, becomes a GET without a body; 307 and 308 repeat it as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Redirects {
    /// The answer that redirects is the answer.
    None,
    /// They are followed, up to so many; one more is an error. The default, with 10.
    Follow(u32),
}

impl Default for Redirects {
    fn default() -> Self {
        Redirects::Follow(10)
    }
}

/// Returns the request to send next after an answer with `status` and the header `location`, or `None` if the answer is
/// the last. `made` is how many redirects were followed already.
pub(super) fn next(
    request: &Outgoing,
    policy: Redirects,
    made: u32,
    status: u16,
    headers: &HeaderList,
) -> Result<Option<Outgoing>, Error> {
    let Redirects::Follow(most) = policy else { return Ok(None) };
    let (true, Some(location)) = (matches!(status, 301 | 302 | 303 | 307 | 308), headers.get("location"))
    else {
        return Ok(None);
    };
    if made >= most {
        let message = format!("more than {most} redirects, the next to `{}`", location.escape_debug());
        return Err(Error::new(ErrorKind::TooManyRedirects, message));
    }
    let mut next = Outgoing { url: request.url.join(location)?, ..request.clone() };
    let becomes_get = match status {
        301 | 302 => request.method == Method::Post,
        303 => !matches!(request.method, Method::Get | Method::Head),
        _ => false,
    };
    if becomes_get {
        next.method = Method::Get;
        next.body = None;
        for name in ["content-type", "content-encoding", "content-language", "content-location"] {
            next.headers.remove(name);
        }
    }
    if !next.url.is_same_origin(&request.url) {
        for name in ["authorization", "cookie", "proxy-authorization"] {
            next.headers.remove(name);
        }
    }
    Ok(Some(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::url::Url;

    fn request(method: Method) -> Outgoing {
        let mut headers = HeaderList::default();
        for name in ["authorization", "cookie", "content-type", "x-mine"] {
            headers.push(name, "1");
        }
        let url = Url::parse("http://a.example/from").expect("a URL");
        Outgoing { method, url, headers, body: Some(b"body".to_vec().into()) }
    }

    fn follow(method: Method, status: u16, location: &str) -> Result<Option<Outgoing>, Error> {
        let mut headers = HeaderList::default();
        headers.push("location", location);
        next(&request(method), Redirects::Follow(1), 0, status, &headers)
    }

    #[test]
    fn methods_change_as_the_standard_says() {
        use Method::{Get, Head, Post, Put};
        let table = [
            (Post, 301, Get, false),
            (Post, 302, Get, false),
            (Post, 303, Get, false),
            (Post, 307, Post, true),
            (Post, 308, Post, true),
            (Put, 301, Put, true),
            (Put, 303, Get, false),
            (Head, 303, Head, true),
            (Get, 302, Get, true),
        ];
        for (method, status, expected, keeps_body) in table {
            let next =
                follow(method.clone(), status, "/to").expect("it can be followed").expect("a redirect");
            assert_eq!((next.method, next.body.is_some()), (expected, keeps_body), "{method:?} {status}");
            assert_eq!(next.headers.get("content-type").is_some(), keeps_body);
            assert_eq!(next.headers.get("authorization"), Some("1"));
        }
    }

    #[test]
    fn secrets_stay_with_their_origin() {
        for location in ["http://b.example/", "https://a.example/", "http://a.example:81/", "//b.example/"] {
            let next = follow(Method::Get, 307, location).expect("it can be followed").expect("a redirect");
            assert_eq!(
                (next.headers.get("authorization"), next.headers.get("cookie")),
                (None, None),
                "{location}"
            );
            assert_eq!(next.headers.get("x-mine"), Some("1"));
        }
    }

    #[test]
    fn what_is_no_redirect_is_an_answer() {
        assert!(follow(Method::Get, 200, "/to").expect("an answer").is_none());
        assert!(follow(Method::Get, 304, "/to").expect("an answer").is_none());
        let without = next(&request(Method::Get), Redirects::Follow(1), 0, 302, &HeaderList::default());
        assert!(without.expect("an answer").is_none());
        let mut headers = HeaderList::default();
        headers.push("location", "/to");
        assert!(next(&request(Method::Get), Redirects::None, 0, 302, &headers).expect("an answer").is_none());
    }

    #[test]
    fn there_is_an_end_of_following() {
        let mut headers = HeaderList::default();
        headers.push("location", "/to");
        let error =
            next(&request(Method::Get), Redirects::Follow(1), 1, 302, &headers).expect_err("too many");
        assert_eq!(error.kind(), ErrorKind::TooManyRedirects);
        assert_eq!(follow(Method::Get, 302, "file:///x").expect_err("no http").kind(), ErrorKind::Invalid);
    }
}
