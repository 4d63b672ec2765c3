//! The client: connections are kept and shared, TLS offers HTTP/2, and headers have a size.

use std::time::Duration;

use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use wasmtime_wasi_http::WasiBody;

use crate::limits::Limits;
use crate::sandbox::http::connect::{Reach, Resolver};

/// How long a connection may take to be made, whatever the guest says.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(30);

/// How long a connection is kept without a request.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// The head of an answer, in bytes.
const HEAD_BYTES: usize = 64 << 10;

/// A client whose connections others use again.
pub(crate) type PooledClient = Client<HttpsConnector<HttpConnector<Resolver>>, WasiBody>;

/// Makes a client that trusts the usual roots, and those in `extra_roots`.
pub(crate) fn client(reach: Reach, extra_roots: &RootCertStore, limits: &Limits) -> PooledClient {
    let mut connector = HttpConnector::new_with_resolver(Resolver::new(reach));
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT_TIME));
    connector.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(extra_roots))
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(connector);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME)
        .pool_max_idle_per_host(limits.http_connections)
        .http1_max_buf_size(HEAD_BYTES)
        .http2_max_header_list_size(HEAD_BYTES as u32)
        .build(connector)
}

fn tls(extra_roots: &RootCertStore) -> ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the protocols of TLS 1.2 and 1.3");
    if extra_roots.is_empty() {
        return config.with_webpki_roots().with_no_client_auth();
    }
    let mut roots = extra_roots.clone();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    config.with_root_certificates(roots).with_no_client_auth()
}

/// Reads the certificates of a PEM file.
///
/// # Errors
/// What is wrong with it, or that there are none in it.
pub(crate) fn read_roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(roots)
}
