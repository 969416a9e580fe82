//! TLS with rustls and ring: whom we trust, who we are, and what a certificate says of the other side.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use webpki::EndEntityCert;

use super::Stream;
use crate::error::{Code, Error, Result};
use crate::native::io_error::reason;
use crate::value::Str;

/// A certificate and its key, as files in PEM form.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, and those between it and one that is trusted.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The certificates of a file.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(file).map_err(|error| unreadable("certificates", file, &error))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|error| unreadable("certificates", file, &error))?;
    if found.is_empty() {
        return Err(no_pem("certificates", file, "it holds none"));
    }
    Ok(found)
}

fn unreadable(what: &str, file: &Path, error: &rustls::pki_types::pem::Error) -> Error {
    match error {
        rustls::pki_types::pem::Error::Io(error) => no_pem(what, file, &reason(error)),
        error => no_pem(what, file, &error.to_string()),
    }
}

fn no_pem(what: &str, file: &Path, why: &str) -> Error {
    Error::new(Code::File, format!("cannot read {what} from `{}`: {why}", file.display()))
        .with_hint("name a file in PEM form (`-----BEGIN …-----`)")
}

/// The certificates of a file that are trusted, or else those of the system.
///
/// # Errors
/// [`Code::File`] where there are none.
pub fn trusted(ca: Option<&Path>) -> Result<Vec<CertificateDer<'static>>> {
    let found = match ca {
        Some(file) => certificates(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    if found.is_empty() {
        return Err(Error::new(Code::File, "the system has no certificates to trust")
            .with_hint("install `ca-certificates`, or name a file: `--tls-ca FILE`"));
    }
    Ok(found)
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(trusted(ca)?);
    match ca {
        Some(file) if unusable > 0 || roots.is_empty() => {
            Err(no_pem("certificates", file, "one of them is no certificate"))
        }
        _ => Ok(roots),
    }
}

/// Our certificate and key.
fn own(identity: &Identity) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let key = PrivateKeyDer::from_pem_file(&identity.key);
    let key = key.map_err(|error| unreadable("a private key", &identity.key, &error))?;
    Ok((certificates(&identity.cert)?, key))
}

fn mismatch(identity: &Identity, error: &rustls::Error) -> Error {
    let (cert, key) = (identity.cert.display(), identity.key.display());
    Error::new(Code::Usage, format!("`{cert}` and `{key}` are of no use together: {error}"))
        .with_hint("the key has to be that of the first certificate of the file")
}

fn broken(error: &impl std::fmt::Display) -> Error {
    Error::new(Code::Internal, format!("cannot set TLS up: {error}"))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// How we connect: whom we trust, and who we say we are.
///
/// # Errors
/// What is wrong with the files.
pub fn client(ca: Option<&Path>, identity: Option<&Identity>) -> Result<Arc<ClientConfig>> {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.map_err(|error| broken(&error))?.with_root_certificates(roots(ca)?);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let (cert, key) = own(identity)?;
            config.with_client_auth_cert(cert, key).map_err(|error| mismatch(identity, &error))?
        }
    };
    Ok(Arc::new(config))
}

/// How others connect: who we are, and whose certificates may stand for a token.
///
/// # Errors
/// What is wrong with the files.
pub fn server(identity: &Identity, client_ca: Option<&Path>) -> Result<TlsAcceptor> {
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = config.map_err(|error| broken(&error))?;
    let config = match client_ca {
        None => config.with_no_client_auth(),
        Some(file) => {
            let roots = Arc::new(roots(Some(file))?);
            // Who has a token needs no certificate; one that is shown has to be good.
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots, provider()).allow_unauthenticated().build();
            config.with_client_cert_verifier(verifier.map_err(|error| broken(&error))?)
        }
    };
    let (cert, key) = own(identity)?;
    let mut config = config.with_single_cert(cert, key).map_err(|error| mismatch(identity, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Encrypts a connection that we made.
///
/// # Errors
/// Why that cannot be, and what to do.
pub async fn connect(
    config: &Arc<ClientConfig>,
    host: &str,
    io: TcpStream,
) -> std::result::Result<Stream, (String, &'static str)> {
    let Ok(name) = ServerName::try_from(host.to_owned()) else {
        return Err((format!("`{host}` is no name that a certificate can have"), "name it as its certificate does"));
    };
    match TlsConnector::from(Arc::clone(config)).connect(name, io).await {
        Ok(io) => Ok(Stream::Tls(Box::new(io.into()))),
        Err(error) => Err(no_handshake(&error)),
    }
}

/// Why a handshake failed, and what to do.
fn no_handshake(error: &io::Error) -> (String, &'static str) {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => (
            format!("it is not to be trusted: {}", reason(error)),
            "name the certificate that signed its certificate: `--tls-ca FILE`; or correct the name, the clock or the certificate",
        ),
        Some(rustls::Error::InvalidMessage(_)) => {
            (format!("it does not speak TLS: {}", reason(error)), "start it with `--tls-cert FILE --tls-key FILE`")
        }
        Some(_) => (format!("no TLS with it: {}", reason(error)), "see its log, and which certificates it asks for"),
        None => (format!("it hung up during the TLS handshake: {}", reason(error)), "see its log; is it confmesh?"),
    }
}

/// The names in the certificate of the other side; it was checked.
pub fn names(stream: &tokio_rustls::server::TlsStream<TcpStream>) -> Vec<Str> {
    let (_, connection) = stream.get_ref();
    let shown = connection.peer_certificates().and_then(<[_]>::first);
    let read = shown.and_then(|certificate| EndEntityCert::try_from(certificate).ok());
    let Some(read) = read else { return Vec::new() };
    read.valid_dns_names().chain(read.valid_uri_names()).map(Str::from).collect()
}
