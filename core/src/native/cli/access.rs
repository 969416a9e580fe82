//! Who comes to an instance, and who it is elsewhere: options of `confmesh serve`.
use std::path::PathBuf;

use clap::Args;

use super::client::token_of_environment;
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
    /// A bus, at which instances meet that are not connected: redis://host:port, rediss:// with TLS. After a ? come options,
    /// joined by &: password-file, key-file (seals what is said there), ca, prefix, plain=yes.
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
            buses: self.buses.clone(),
            ..options
        }
    }
}
