//! Who comes in, and who we are elsewhere: the authentication file, certificates and tokens of the options.
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use tokio_rustls::TlsAcceptor;

use super::actor::Actor;
use crate::engine::Level;
use crate::error::{Code, Error, Result};
use crate::guard::{RateLimit, Reports};
use crate::native::guard::{Gate, read_with_key_files, with_key_files};
use crate::native::http::trusted_proxies;
use crate::native::net::tls::{Identity, server};
use crate::native::net::{Shown, Token};
use crate::native::transport::websocket::Address;
use crate::secret::Keys;
use crate::value::Value;

/// What the options say.
pub(super) struct Given {
    pub(super) auth: Option<PathBuf>,
    pub(super) cert: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) client_ca: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) token: Option<String>,
    pub(super) behind_proxy: bool,
    pub(super) trusted_proxies: Vec<String>,
    pub(super) rate_limit: Option<RateLimit>,
}

/// The same, read and checked.
#[derive(Default)]
pub(super) struct Access {
    /// The authentication file, the key files that it names, and its table.
    pub(super) gate: Option<(PathBuf, Vec<PathBuf>, Gate)>,
    /// How the listeners speak TLS.
    pub(super) tls: Option<TlsAcceptor>,
    /// Who we are where we connect to others.
    pub(super) shown: Shown,
    pub(super) behind_proxy: bool,
    /// Whose word is taken for where requests come from, and how many a caller may make.
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) rate_limit: Option<RateLimit>,
}

impl Given {
    /// Reads the files.
    pub(super) fn read(self, peers: &[Address]) -> Result<Access> {
        let identity = match (self.cert, self.key) {
            (Some(cert), Some(key)) => Some(Identity { cert, key }),
            (None, None) => None,
            _ => {
                return Err(Error::new(Code::Usage, "a certificate and its key are given together")
                    .with_hint("name both: `--tls-cert FILE --tls-key FILE`"));
            }
        };
        let wanted = |what: &str, needs: &str, way: &str| {
            Error::new(Code::Usage, format!("{what} is of no use without {needs}")).with_hint(way.to_owned())
        };
        if self.client_ca.is_some() && identity.is_none() {
            return Err(wanted("`tls_client_ca`", "a certificate", "add `--tls-cert FILE --tls-key FILE`"));
        }
        if self.client_ca.is_some() && self.auth.is_none() {
            return Err(wanted(
                "`tls_client_ca`",
                "an authentication file",
                "add `--auth FILE`, with a `[[principal]]` and its `san` for each certificate",
            ));
        }
        let tls = identity.as_ref().map(|own| server(own, self.client_ca.as_deref())).transpose()?;
        let read = |path: PathBuf| {
            let (table, key_files) = read_with_key_files(&path)?;
            Ok((path, key_files, Gate::new(table)))
        };
        let gate = self.auth.map(read).transpose()?;
        let token = match (self.token_file, self.token) {
            (Some(file), _) => Token::File(file),
            (None, Some(token)) => Token::Given(token),
            (None, None) => Token::None,
        };
        token.read()?;
        let shown = Shown::new(token, self.ca, identity);
        if peers.iter().any(Address::is_secure) {
            shown.tls()?;
        }
        peers.iter().try_for_each(is_private)?;
        let trusted_proxies = trusted_proxies(&self.trusted_proxies)?;
        let (behind_proxy, rate_limit) = (self.behind_proxy, self.rate_limit);
        Ok(Access { gate, tls, shown, behind_proxy, trusted_proxies, rate_limit })
    }
}

/// The keys of a file.
pub(super) fn keys_of(path: Option<&std::path::Path>) -> Result<Option<Keys>> {
    let Some(path) = path else { return Ok(None) };
    let Some(text) = crate::native::file::read(path)? else {
        let message = format!("cannot read the key file `{}`: no such file or directory", path.display());
        return Err(
            Error::new(Code::File, message).with_hint("make one: `confmesh key new > FILE`, for its owner alone")
        );
    };
    Keys::parse(&text).map(Some).map_err(|error| error.about(&format!("`{}`", path.display())))
}

/// Refuses an address of another machine that would be spoken to for everybody to hear; names are looked up later.
fn is_private(address: &Address) -> Result<()> {
    let (host, _) = address.host_and_port();
    if address.is_secure() || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()) || host.parse::<IpAddr>().is_err()
    {
        return Ok(());
    }
    let message =
        format!("`{address}` leads to another machine without TLS: everybody on the way could read and change all");
    Err(Error::new(Code::Usage, message)
        .with_hint("write `wss://`, and start the other instance with `--tls-cert FILE --tls-key FILE --auth FILE`"))
}

/// The authentication file while the instance runs.
pub(super) struct Guarding {
    pub(super) path: PathBuf,
    /// The files of keys of JSON Web Tokens that it names.
    pub(super) key_files: Vec<PathBuf>,
    pub(super) gate: Gate,
    /// Why what lies there is not in force.
    pub(super) failure: Option<Error>,
    /// How many refusals were told.
    pub(super) told_refused: u64,
}

/// How the authentication file stands.
#[derive(Clone, Debug)]
pub struct AuthStatus {
    /// The file.
    pub file: PathBuf,
    /// How many principals are in force.
    pub principals: usize,
    /// Names the table in force.
    pub digest: String,
    /// Whether what would be forbidden is only told.
    pub report_only: bool,
    /// How often somebody showed a token or certificate that is not good, since the start.
    pub refused: u64,
    /// Why what lies there is not in force.
    pub failure: Option<Error>,
}

impl AuthStatus {
    /// `{"file", "principals", "digest", "refused", "report_only"?, "error"?}`.
    pub(super) fn to_value(&self) -> Value {
        let count = u64::try_from(self.principals).unwrap_or(u64::MAX);
        let file = self.file.display().to_string();
        let mut fields: Vec<(&str, Value)> =
            vec![("file", file.into()), ("principals", count.into()), ("digest", self.digest.as_str().into())];
        fields.push(("refused", self.refused.into()));
        fields.extend(self.report_only.then(|| ("report_only", true.into())));
        fields.extend(self.failure.as_ref().map(|error| ("error", error.to_value())));
        fields.into_iter().collect()
    }
}

impl Actor {
    pub(super) fn auth_status(&self) -> Option<AuthStatus> {
        let guarding = self.guarding.as_ref()?;
        let table = guarding.gate.table();
        Some(AuthStatus {
            file: guarding.path.clone(),
            principals: table.entries().len(),
            digest: table.digest(),
            report_only: table.reports().is_some(),
            refused: guarding.gate.refused(),
            failure: guarding.failure.clone(),
        })
    }

    /// Tells what would have been forbidden, where that is all that is done about it.
    pub(super) fn tell_reported(&mut self) {
        let Some(guarding) = &mut self.guarding else { return };
        let (table, refused) = (guarding.gate.table(), guarding.gate.refused());
        // At powers of two: whoever tries all day fills no disk with it.
        let is_news = refused.checked_ilog2() != guarding.told_refused.checked_ilog2();
        guarding.told_refused = refused;
        if is_news {
            let line = format!("refused {refused} times who showed a token or certificate that is not good here");
            self.log_line(Level::Warning, &line);
        }
        for (what, count) in table.reports().map(Reports::take).unwrap_or_default() {
            self.log_line(Level::Warning, &format!("only reported: {what} ({count} times)"));
        }
    }

    /// The authentication file holds something else: in force at once, or told where it is no table.
    pub(super) fn take_table(&mut self, text: Result<Option<String>>) {
        let Some(guarding) = &mut self.guarding else { return };
        let gone = || {
            let path = guarding.path.display();
            Error::new(Code::File, format!("`{path}` is gone")).with_hint("put it back")
        };
        let found = text.and_then(|text| text.ok_or_else(gone)).and_then(|text| with_key_files(&guarding.path, &text));
        match found {
            Ok((table, key_files)) => {
                let unwatched = key_files.iter().filter(|file| !guarding.key_files.contains(file));
                let watched = unwatched.map(|file| self.watcher.as_ref().map_or(Ok(()), |watcher| watcher.watch(file)));
                let unwatched: Vec<Error> = watched.filter_map(Result::err).collect();
                guarding.key_files = key_files;
                let is_news = table.digest() != guarding.gate.table().digest();
                let was_broken = guarding.failure.take().is_some();
                let line = format!("`{}`: {} principals are in force", guarding.path.display(), table.entries().len());
                guarding.gate.replace(table);
                if is_news || was_broken {
                    self.log_line(Level::Info, &line);
                }
                for error in unwatched {
                    self.tell(Level::Warning, None, error);
                }
            }
            Err(error) => {
                let hint = "who could come in before still can, until it is in order again";
                let error = Error::new(error.code(), error.to_string()).with_hint(hint);
                if guarding.failure.replace(error.clone()).is_none_or(|before| before != error) {
                    self.tell(Level::Error, None, error);
                }
            }
        }
    }
}
