//! Who connects, to where, and how safely.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{LastWillProperties, MqttOptions, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use trimtab_wire::limits::CONTENT_TYPE_JSON;

use crate::message::Qos;
use crate::{IN_FLIGHT_MAX, INCOMING_PACKET_BYTES_MAX};

/// Files of a TLS connection, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates that the broker's must descend from.
    pub ca: PathBuf,
    /// The client's own certificate chain and key; none where the broker asks for none.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// What the broker publishes when the connection is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWill {
    /// Where.
    pub topic: String,
    /// What; JSON.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it.
    pub retain: bool,
}

/// A connection to keep up.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The identity; with client certificates, equal to the certificate's common name.
    pub client_id: String,
    /// Host name or address of the broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS; required unless the host is loopback or [`Connect::allow_plaintext`] is set.
    pub tls: Option<TlsFiles>,
    /// Allows plain TCP to a host that is not loopback.
    pub allow_plaintext: bool,
    /// Silence after which the connection counts as lost; longer than the largest packet takes on the uplink.
    pub keep_alive: Duration,
    /// What the broker says when the connection is lost.
    pub last_will: Option<LastWill>,
    /// How long the broker keeps the session (subscriptions, undelivered messages) of a lost connection; zero starts
    /// clean each time.
    pub session_expiry: Duration,
    /// Messages of QoS 1 that the broker may send before they are acknowledged.
    pub receive_max: u16,
    /// Longest pause between two attempts to connect.
    pub backoff_max: Duration,
}

impl Connect {
    /// Default of [`Connect::keep_alive`].
    pub const KEEP_ALIVE: Duration = Duration::from_secs(60);
    /// Default of [`Connect::receive_max`].
    pub const RECEIVE_MAX: u16 = 32;
    /// Default of [`Connect::backoff_max`].
    pub const BACKOFF_MAX: Duration = Duration::from_secs(10);
    /// First pause between two attempts to connect.
    pub const BACKOFF_MIN: Duration = Duration::from_millis(100);

    /// A plain connection with the defaults, clean at each start.
    pub fn new(client_id: &str, host: &str, port: u16) -> Self {
        Self {
            client_id: client_id.to_owned(),
            host: host.to_owned(),
            port,
            tls: None,
            allow_plaintext: false,
            keep_alive: Self::KEEP_ALIVE,
            last_will: None,
            session_expiry: Duration::ZERO,
            receive_max: Self::RECEIVE_MAX,
            backoff_max: Self::BACKOFF_MAX,
        }
    }

    /// The client's settings; reads the TLS files.
    pub(crate) fn options(&self) -> Result<MqttOptions, ConnectError> {
        if self.client_id.is_empty() {
            return Err(ConnectError::ClientId);
        }
        if self.tls.is_none() && !self.allow_plaintext && !is_loopback(&self.host) {
            return Err(ConnectError::Plaintext { host: self.host.clone(), port: self.port });
        }
        let mut options = MqttOptions::new(self.client_id.as_str(), (self.host.as_str(), self.port));
        if let Some(tls) = &self.tls {
            let config = TlsConfiguration::Rustls(Arc::new(tls.config()?));
            options.set_transport(Transport::tls_with_config(config));
        }
        options.set_keep_alive(u16::try_from(self.keep_alive.as_secs()).unwrap_or(u16::MAX));
        options.set_max_packet_size(Some(INCOMING_PACKET_BYTES_MAX));
        options.set_receive_maximum(Some(self.receive_max.max(1)));
        options.set_outgoing_inflight_upper_limit(IN_FLIGHT_MAX);
        options.set_manual_acks(true);
        let expiry = u32::try_from(self.session_expiry.as_secs()).unwrap_or(u32::MAX);
        options.set_clean_start(expiry == 0);
        options.set_session_expiry_interval(Some(expiry));
        let mut network = options.network_options();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        if let Some(will) = &self.last_will {
            let properties = LastWillProperties {
                delay_interval: None,
                payload_format_indicator: None,
                message_expiry_interval: None,
                content_type: Some(CONTENT_TYPE_JSON.to_owned()),
                response_topic: None,
                correlation_data: None,
                user_properties: Vec::new(),
            };
            options.set_last_will(rumqttc::LastWill::new(
                will.topic.as_str(),
                will.payload.clone(),
                Qos::AtLeastOnce.into(),
                will.retain,
                Some(properties),
            ));
        }
        Ok(options)
    }
}

/// Why a connection cannot even be tried.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No identity.
    #[error("the client id is empty; use the common name of the certificate")]
    ClientId,
    /// Plain TCP over a network.
    #[error(
        "broker {host}:{port} is not on loopback and no tls is configured; configure tls, or allow plaintext explicitly"
    )]
    Plaintext {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// A PEM file cannot be read or holds nothing.
    #[error("tls file {}: {cause}", path.display())]
    TlsFile {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// The files do not make a TLS configuration.
    #[error("tls with certificate {}", path.display())]
    Tls {
        /// The certificate, or the CA where there is none.
        path: PathBuf,
        /// Why.
        #[source]
        cause: rustls::Error,
    },
}

impl TlsFiles {
    fn config(&self) -> Result<ClientConfig, ConnectError> {
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |cause| ConnectError::Tls { path, cause }
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca)? {
            roots.add(certificate).map_err(fault(&self.ca))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(fault(&self.ca))?
            .with_root_certificates(roots);
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((chain, key)) => {
                let private = PrivateKeyDer::from_pem_file(key)
                    .map_err(|cause| ConnectError::TlsFile { path: key.clone(), cause: cause.to_string() })?;
                builder.with_client_auth_cert(certificates(chain)?, private).map_err(fault(chain))
            }
        }
    }
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectError> {
    let fault = |cause: String| ConnectError::TlsFile { path: path.to_owned(), cause };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| fault(cause.to_string()))?;
    if found.is_empty() {
        return Err(fault("no certificate in it".to_owned()));
    }
    Ok(found)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
