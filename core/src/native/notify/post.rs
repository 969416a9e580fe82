//! Signed requests, as Standard Webhooks 1.0.0 has them.
use std::path::PathBuf;

use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use tokio_rustls::TlsConnector;

use crate::clock::Now;
use crate::error::{Code, Error, Result};
use crate::hook::Secrets;
use crate::native::file;
use crate::native::net::connect::{Body, Phase, connect, failed, tls};
use crate::notice::{Notice, Outcome};

/// A URL that takes notices.
pub struct Webhook {
    uri: Uri,
    name: String,
    tls: Option<TlsConnector>,
    secret_file: PathBuf,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({})", self.name)
    }
}

impl Webhook {
    /// Reads `https://host[:port]/…`, or the same with `http` on this machine. Requests are signed with the secrets in a file,
    /// which is read for each. `ca` names the certificates that are trusted in place of those of the system.
    ///
    /// # Errors
    /// [`Code::Usage`] for another URL; what is wrong with the file.
    pub fn new(url: &str, secret_file: PathBuf, ca: Option<&str>) -> Result<Webhook> {
        // Not shown: it may hold a password.
        let wrong = |why: &str| {
            Error::new(Code::Usage, format!("cannot send notices to the URL: {why}"))
                .with_hint("name one like https://alerts.example/hooks/confmesh")
        };
        let uri: Uri = url.trim().parse().map_err(|_| wrong("it is malformed"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it names no host"))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("it holds a name or a password, which nobody would be asked for"));
        }
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        let tls = match uri.scheme_str() {
            Some("https") => Some(tls(ca)?),
            Some("http") if is_here => None,
            Some("http") => return Err(wrong("what is said there goes over the network for everybody to read")),
            _ => return Err(wrong("its scheme is not https")),
        };
        let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
        let name = format!("{}://{host}{port}", uri.scheme_str().unwrap_or_default());
        let webhook = Webhook { uri, name, tls, secret_file };
        webhook.secrets()?;
        Ok(webhook)
    }

    /// Scheme and host.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn secrets(&self) -> Result<Secrets> {
        let shown = self.secret_file.display();
        let Some(text) = file::read(&self.secret_file)? else {
            let message = format!("cannot read the secret of notices `{shown}`: no such file or directory");
            return Err(Error::new(Code::File, message).with_hint("create the file, or correct the path"));
        };
        let secrets = Secrets::parse(&text).map_err(|error| error.about(&format!("`{shown}`")))?;
        if secrets.sign("", 0, b"").is_empty() {
            return Err(Error::new(Code::Usage, format!("`{shown}` holds no secret that requests can be signed with"))
                .with_hint("write one into it: `openssl rand -base64 32`"));
        }
        Ok(secrets)
    }

    /// Sends a notice once.
    pub(super) async fn post(&self, notice: &Notice, now: Now) -> std::result::Result<(), (Outcome, Error)> {
        let later = |error: Error| (Outcome::Failed { retry_after_ms: None }, error);
        let body = notice.body();
        let sent_s = now.wall_ms / 1_000;
        let signature = self.secrets().map_err(later)?.sign(&notice.id, sent_s, body.as_bytes());
        let host = self.uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        let target = self.uri.path_and_query().map_or("/", |target| target.as_str());
        let request = Request::post(target)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, HeaderValue::from_static(concat!("confmesh/", env!("CARGO_PKG_VERSION"))))
            .header("webhook-id", notice.id.as_str())
            .header("webhook-timestamp", sent_s.to_string())
            .header("webhook-signature", signature)
            .body(Body::from(body.into_bytes()));
        let request = request.map_err(|_| later(Error::new(Code::Internal, "a notice is no request")))?;
        let mut connection = connect(&self.uri, self.tls.as_ref(), &Phase::default()).await.map_err(later)?;
        let answer = connection.sender.send_request(request).await.map_err(|error| later(failed(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
        let retry_after_ms = asked.map(|seconds| seconds.saturating_mul(1_000));
        let error = Error::new(Code::Unreachable, format!("{} answers with status {}", self.name, status.as_u16()));
        let may_have_it_later = status.is_server_error()
            || status.is_redirection()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT
                    | StatusCode::TOO_EARLY
                    | StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::UNAUTHORIZED
                    | StatusCode::FORBIDDEN
                    | StatusCode::NOT_FOUND
            );
        Err((if may_have_it_later { Outcome::Failed { retry_after_ms } } else { Outcome::Refused }, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_that_nobody_can_read_along_are_taken_and_none_is_shown_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let of = |url: &str| Webhook::new(url, file.clone(), None);
        for url in ["http://127.0.0.1:9/x?token=hunter2", "http://localhost/x", "http://[::1]:1/"] {
            let webhook = of(url).unwrap();
            assert!(url.starts_with(webhook.name()) && !webhook.name().contains("hunter2"), "{webhook:?}");
        }
        for url in ["http://10.0.0.7/x", "ftp://h", "nonsense", "https://ann:hunter2@h/", ""] {
            let error = of(url).unwrap_err();
            assert!(error.code() == Code::Usage && !error.to_string().contains("hunter2"), "{error}");
        }
        std::fs::write(&file, "short").unwrap();
        assert!(of("http://127.0.0.1:9/").unwrap_err().message().contains("secret"));
        let missing = Webhook::new("http://127.0.0.1:9/", dir.path().join("none"), None).unwrap_err();
        assert_eq!(missing.code(), Code::File);
    }
}
