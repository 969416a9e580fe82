//! One connection for one request: names, sockets, TLS.
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use hyper::Uri;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::error::{Code, Error, Result};
use crate::native::io_error::reason;

pub(crate) type Body = http_body_util::Full<hyper::body::Bytes>;

/// What is being waited for, so that a deadline can say it.
#[derive(Debug, Default)]
pub(crate) struct Phase(AtomicU8);

const PHASES: [&str; 5] =
    ["looking up the name", "connecting", "the TLS handshake", "waiting for the answer", "reading the answer"];

impl Phase {
    pub(crate) fn set(&self, at: u8) {
        self.0.store(at, Ordering::Relaxed);
    }

    pub(crate) fn words(&self) -> &'static str {
        PHASES.get(usize::from(self.0.load(Ordering::Relaxed))).copied().unwrap_or("working")
    }
}

/// A connection that is closed when this is dropped.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Body>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Trusts the certificates of a file, or else those of the system.
pub(crate) fn tls(ca: Option<&str>) -> Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            let wrong = |what: &str| {
                Error::new(Code::File, format!("cannot read certificates from `{file}`: {what}"))
                    .with_hint("`ca` names a file in PEM form")
            };
            let found = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&pem_reason(&error)))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| wrong(&pem_reason(&error)))?;
                roots.add(certificate).map_err(|error| wrong(&error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("it holds none"));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(Error::new(Code::File, "the system has no certificates to trust")
                    .with_hint("install `ca-certificates`, or name a file with `ca=FILE`"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Code::Internal, format!("cannot set TLS up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn pem_reason(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => reason(error),
        error => error.to_string(),
    }
}

/// Connects to where a URL leads. `tls` is there for `https`.
pub(crate) async fn connect(uri: &Uri, tls: Option<&TlsConnector>, phase: &Phase) -> Result<Connection> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
    phase.set(0);
    let unreachable = |what: String, hint: &str| Error::new(Code::Unreachable, what).with_hint(hint);
    let addresses: Vec<_> = lookup_host((host.as_str(), port))
        .await
        .map_err(|error| {
            unreachable(
                format!("cannot look up `{host}`: {}", reason(&error)),
                "is the name right, and the DNS reached?",
            )
        })?
        .collect();
    phase.set(1);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut stream = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(connected) => {
                stream = Some(connected);
                break;
            }
            Err(error) => last = error,
        }
    }
    let Some(stream) = stream else {
        return Err(unreachable(
            format!("cannot connect to `{host}:{port}`: {}", reason(&last)),
            "is the server running, and is nothing in between?",
        ));
    };
    let _ = stream.set_nodelay(true); // only slower without
    let Some(tls) = tls else { return talk(stream).await };
    phase.set(2);
    let name = ServerName::try_from(host.clone())
        .map_err(|_| Error::new(Code::Usage, format!("`{host}` is no name that a certificate can have")))?;
    let stream = tls.connect(name, stream).await.map_err(|error| no_handshake(&format!("{host}:{port}"), &error))?;
    talk(stream).await
}

/// Why a TLS handshake failed: only a certificate can be untrusted, and only that is a question of `ca`.
fn no_handshake(place: &str, error: &io::Error) -> Error {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let (what, hint) = match cause {
        Some(rustls::Error::InvalidCertificate(_)) => (
            format!("`{place}` is not to be trusted: {}", reason(error)),
            "name the certificate that signed it with `ca=FILE`, or correct the name, the clock or the certificate",
        ),
        Some(rustls::Error::InvalidMessage(_)) => (
            format!("`{place}` does not speak TLS: {}", reason(error)),
            "write `http://` if it is plain HTTP, or correct the port",
        ),
        Some(_) => (
            format!("no TLS with `{place}`: {}", reason(error)),
            "see which versions of TLS and which certificates it asks for",
        ),
        None => (
            format!("`{place}` hung up during the TLS handshake: {}", reason(error)),
            "see its log; write `http://` if it is plain HTTP",
        ),
    };
    Error::new(Code::Unreachable, what).with_hint(hint)
}

async fn talk<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static>(
    stream: S,
) -> Result<Connection> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    // What goes wrong is told to who waits for the answer.
    let task = tokio::spawn(async move { drop(connection.await) });
    Ok(Connection { sender, task })
}

/// What went wrong with an exchange.
pub(crate) fn failed(error: &hyper::Error) -> Error {
    let what = if error.is_incomplete_message() {
        "the connection ended before the answer did".to_owned()
    } else if error.is_parse() {
        format!("the answer is no HTTP: {error}")
    } else {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    };
    Error::new(Code::Unreachable, what)
}
