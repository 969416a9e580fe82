//! Who comes to an instance, and who it is elsewhere: options of `confmesh serve`.
use std::path::PathBuf;

use clap::Args;

use super::arguments::milliseconds;
use super::client::token_of_environment;
use crate::guard::RateLimit;
use crate::native::mesh::MeshOptions;

/// Who comes in, and who we are where we connect to others.
#[derive(Debug, Args)]
pub(super) struct Access {
    /// Who may do what: a file that `confmesh token` writes. Its changes are taken at once.
    #[arg(long, value_name = "FILE", env = "CONFMESH_AUTH_FILE")]
    pub auth: Option<PathBuf>,
    /// Speak TLS with this certificate (PEM), and those between it and one that is trusted.
    #[arg(long, value_name = "FILE", env = "CONFMESH_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of that certificate.
    #[arg(long, value_name = "FILE", env = "CONFMESH_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Take a certificate that these signed in the place of a token: the principal with its name as `san`.
    #[arg(long, value_name = "FILE", env = "CONFMESH_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
    /// The certificates that are trusted where wss:// is dialed. Default: those of the system.
    #[arg(long, value_name = "FILE", env = "CONFMESH_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
    /// The file with the token that is shown to peers. Default: the variable CONFMESH_TOKEN holds it.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A proxy in front of it speaks TLS: listen without, also where other machines can reach it.
    #[arg(long)]
    pub behind_proxy: bool,
    /// A proxy in front of it, or a network of such: where requests come from is what its X-Forwarded-For says.
    #[arg(long = "trusted-proxy", value_name = "ADDRESS")]
    pub trusted_proxies: Vec<String>,
    /// How many requests a caller may make in a minute; one more is refused (429). Default: any number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate_limit: Option<u32>,
    /// For how long a caller is refused after one request too many: 2m, or milliseconds.
    #[arg(long, value_name = "TIME", default_value = "120000", value_parser = milliseconds)]
    pub rate_limit_block: u64,
    /// How many requests more than the limit a caller may make now and then.
    #[arg(long, value_name = "N", default_value = "0")]
    pub rate_limit_burst: u32,
    /// Count callers of this machine and of private networks, too.
    #[arg(long)]
    pub rate_limit_local: bool,
    /// A bus, at which instances meet that are not connected: redis://host:port, mqtt:// or kafka://, with TLS rediss://,
    /// mqtts:// or kafka+tls://. After a ? come options, joined by &: password-file, key-file (seals what is said there), ca,
    /// prefix, plain=yes.
    #[arg(long = "bus", value_name = "URL", env = "CONFMESH_BUS", hide_env_values = true)]
    pub buses: Vec<String>,
}

impl Access {
    /// The same as options of a mesh.
    pub fn of(&self, options: MeshOptions) -> MeshOptions {
        MeshOptions {
            auth: self.auth.clone(),
            tls_cert: self.tls_cert.clone(),
            tls_key: self.tls_key.clone(),
            tls_client_ca: self.tls_client_ca.clone(),
            tls_ca: self.tls_ca.clone(),
            token_file: self.token_file.clone(),
            token: token_of_environment(),
            behind_proxy: self.behind_proxy,
            trusted_proxies: self.trusted_proxies.clone(),
            rate_limit: self.rate_limit.map(|requests_per_minute| RateLimit {
                requests_per_minute,
                burst: self.rate_limit_burst,
                block_ms: self.rate_limit_block,
                whitelist_local: !self.rate_limit_local,
            }),
            buses: self.buses.clone(),
            ..options
        }
    }
}
