//! A certificate authority of a test's own, and a server's certificate from it as files.
//! It must not know which server they are given to.

use crate::server::{self, ServerError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// An authority that nobody knows but the test. It has vouched for one server, at `localhost` and not at `127.0.0.1`.
pub struct TestCa {
    folder: tempfile::TempDir,
    pem: String,
}

impl TestCa {
    /// A new one, with its server's certificate and key.
    pub fn new() -> Result<TestCa, ServerError> {
        let folder = tempfile::Builder::new().prefix("rates-test-").tempdir()?;
        // Servers run as other users.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let (pem, certificate, key) = made().map_err(|error| std::io::Error::other(error.to_string()))?;
        let place = |name: &str| folder.path().join(name);
        std::fs::write(place("ca.crt"), &pem)?;
        std::fs::write(place("server.crt"), certificate)?;
        std::fs::write(place("server.key"), key)?;
        std::fs::set_permissions(place("server.key"), std::fs::Permissions::from_mode(0o600))?;
        if server::is_root() {
            // PostgreSQL, which does not run as root, wants its key to be its own; root can read it all the same.
            server::give(&place("server.key"), server::nobody())?;
        }
        Ok(TestCa { folder, pem })
    }

    /// Its own certificate: whoever trusts it trusts the server.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Where that stands.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// The server's certificate.
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    /// The server's key, which only its owner reads.
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }
}

/// The authority's certificate, the server's, and the server's key.
fn made() -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &authority)?;
    Ok((authority.pem(), server.pem(), key.serialize_pem()))
}
