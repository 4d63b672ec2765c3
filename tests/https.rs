//! HTTPS requests of guests: whom the client trusts, and which version of HTTP it speaks.

use futures::future::join_all;
use hyper::Version;
use wasmpool::{Grants, Pool, PoolError};

use crate::command_support::{end_of, text_of, wasmpool};
use crate::guests::component;
use crate::https_server::HttpsServer;
use crate::support::{bounded, builder};

const FETCH: &str = "tests/guests/fetch";

async fn pool(grants: Grants) -> Pool {
    builder(FETCH, 1, 64).await.grants(grants).build().await.expect("the guest opens")
}

/// The status of an answer, or what the error says.
async fn status(pool: &Pool, server: &HttpsServer) -> Result<u16, String> {
    let get = pool.task::<(String, String), u16>("get").expect("a task");
    bounded("a request", get.call((server.origin(), "/".to_owned()))).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_server_is_trusted_by_the_file_that_vouches_for_it_alone() {
    let (server, other) = (HttpsServer::start(&["http/1.1"]).await, HttpsServer::start(&["http/1.1"]).await);
    let granted = || Grants::none().http(server.origin());
    for distrustful in [granted(), granted().ca_file(other.ca_file())] {
        let refused = status(&pool(distrustful).await, &server).await.expect_err("nobody vouches for it");
        assert!(refused.contains("Tls"), "{refused}");
    }
    assert_eq!(server.connections(), 0);
    let trusting = pool(granted().ca_file(server.ca_file())).await;
    assert_eq!(status(&trusting, &server).await, Ok(200));
    assert_eq!(server.versions(), [Version::HTTP_11]);
}

#[tokio::test]
async fn many_requests_share_a_connection_of_http_2() {
    let server = HttpsServer::start(&["h2", "http/1.1"]).await;
    let pool = pool(Grants::none().http(server.origin()).ca_file(server.ca_file())).await;
    // The first finds out which version it is; how many are on their way before that is nobody's business.
    assert_eq!(status(&pool, &server).await, Ok(200));
    let before = server.connections();
    let answers = join_all((0..50).map(|_| status(&pool, &server))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(200)), "{answers:?}");
    assert_eq!(server.connections(), before);
    assert_eq!(server.versions(), [Version::HTTP_2; 51]);
}

#[tokio::test]
async fn a_file_without_a_certificate_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").expect("a file");
    let grants = Grants::none().http("https://localhost").ca_file(&empty);
    let error = builder(FETCH, 1, 1).await.grants(grants).build().await.err().expect("it is refused");
    assert!(matches!(error, PoolError::BadSetting { setting: "ca_file", .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_has_the_flag() {
    let server = HttpsServer::start(&["h2"]).await;
    let (origin, ca_file) = (server.origin(), server.ca_file());
    let get = |flags: &[&str]| {
        let mut command = wasmpool(["run"]);
        command.arg(component(FETCH)).args(["get", &origin, "/", "--http", &origin]).args(flags);
        end_of(&mut command)
    };
    tokio::task::block_in_place(|| {
        get(&[]).exits(1);
        get(&["--ca-file", text_of(&ca_file)]).exits(0).prints("200\n");
        get(&["--ca-file", "no/such.pem"]).exits(2).says("--ca-file");
    });
}
