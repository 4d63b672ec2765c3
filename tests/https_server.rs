//! A small server of good manners for HTTPS, with a certificate of its own that nobody trusts by themselves. It notes in
//! which version of HTTP it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The server, which ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct HttpsServer {
    address: SocketAddr,
    folder: Arc<TempDir>,
    connections: Arc<AtomicUsize>,
    versions: Arc<Mutex<Vec<Version>>>,
}

impl HttpsServer {
    /// Starts a server that speaks these protocols, by their names in TLS.
    pub(crate) async fn start(protocols: &[&str]) -> Self {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), own.cert.pem()).expect("a file");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let acceptor = acceptor(own.cert.der().clone(), key, protocols);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = HttpsServer {
            address: listener.local_addr().expect("an address"),
            folder: Arc::new(folder),
            connections: Arc::default(),
            versions: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(acceptor.clone(), stream));
            }
        });
        server
    }

    pub(crate) fn origin(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The file that makes a client trust it.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// How many connections have got past their handshake.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The version of each request.
    pub(crate) fn versions(&self) -> Vec<Version> {
        self.versions.lock().expect("no holder of this lock panics").clone()
    }

    async fn serve(self, acceptor: TlsAcceptor, stream: TcpStream) {
        // Who does not trust the certificate goes away.
        let Ok(stream) = acceptor.accept(stream).await else { return };
        self.connections.fetch_add(1, Ordering::Relaxed);
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let service = service_fn(|request: Request<Incoming>| {
            self.versions.lock().expect("no holder of this lock panics").push(request.version());
            async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello")))) }
        });
        // How a connection ends is the client's affair.
        let _ = if is_http2 {
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            connection.serve_connection(TokioIo::new(stream), service).await
        } else {
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
        };
    }
}

fn acceptor(
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    protocols: &[&str],
) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the usual protocols")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key is the certificate's");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
