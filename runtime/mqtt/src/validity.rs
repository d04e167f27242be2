//! How long certificates are valid, found by asking the verifier that judges them in a handshake.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};

use crate::connect::{ConnectError, TlsFiles, certificates};

/// Later than any certificate lasts: the year 9999.
const FAR: Duration = Duration::from_secs(253_370_764_800);

/// From when to when a certificate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The file it is in; a file of several counts as valid while all of them are.
    pub path: PathBuf,
    /// Not before this.
    pub from: SystemTime,
    /// Not after this.
    pub to: SystemTime,
}

impl TlsFiles {
    /// How long the CA and the client's own chain are valid. Fails if a file cannot be read or holds no certificate.
    pub fn validity(&self) -> Result<Vec<Validity>, ConnectError> {
        let own = self.identity.as_ref().map(|(chain, _)| chain);
        std::iter::once(&self.ca).chain(own).map(|path| of_file(path, &self.ca)).collect()
    }
}

fn of_file(path: &Path, ca: &Path) -> Result<Validity, ConnectError> {
    let fault = |cause| ConnectError::Tls { path: path.to_owned(), cause };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(fault)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|cause| ConnectError::TlsFile { path: ca.to_owned(), cause: cause.to_string() })?;
    let (mut from, mut to) = (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + FAR);
    for certificate in certificates(path)? {
        let at = |time| judge(&*verifier, &certificate, time);
        // Time is judged before whom it descends from and whose it is: so any name and any root do.
        if let Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) =
            at(Duration::ZERO)
        {
            from = from.max(SystemTime::UNIX_EPOCH + Duration::from_secs(not_before.as_secs()));
        }
        match at(FAR) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                to = to.min(SystemTime::UNIX_EPOCH + Duration::from_secs(not_after.as_secs()));
            }
            Err(cause @ Error::InvalidCertificate(CertificateError::BadEncoding)) => return Err(fault(cause)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(Validity { path: path.to_owned(), from, to })
}

fn judge(verifier: &dyn ServerCertVerifier, certificate: &CertificateDer<'_>, at: Duration) -> Result<(), Error> {
    let name = ServerName::try_from("localhost").map_err(|_| Error::General("no name".to_owned()))?;
    verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::since_unix_epoch(at)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_dates_are_those_of_the_certificate() {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
        let folder = tempfile::tempdir().unwrap();
        let dated = |from, to| {
            let mut params = CertificateParams::new(vec!["robot-1".to_owned()]).unwrap();
            (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
            params
        };
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = dated(2020, 2040);
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
        let own = dated(2024, 2025).signed_by(&key, &Issuer::from_params(&ca, &ca_key)).unwrap().pem();
        let files = TlsFiles {
            ca: written(folder.path(), "ca.pem", &ca_pem),
            identity: Some((written(folder.path(), "own.pem", &own), PathBuf::from("unread.key"))),
        };
        let year = |year: u64| {
            SystemTime::UNIX_EPOCH
                + Duration::from_secs(date_time_ymd(year as i32, 1, 1).unix_timestamp().cast_unsigned())
        };
        let found: Vec<_> = files.validity().unwrap().into_iter().map(|found| (found.from, found.to)).collect();
        assert_eq!(found, [(year(2020), year(2040)), (year(2024), year(2025))]);
        let broken = TlsFiles { ca: written(folder.path(), "none.pem", "nothing"), identity: None };
        assert!(broken.validity().unwrap_err().to_string().contains("none.pem"));
    }
}
