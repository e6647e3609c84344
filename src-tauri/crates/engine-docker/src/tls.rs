//! An engine behind TLS, with the files that Docker's own tools use.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use locald_engine::ConnectFault;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::TlsFiles;

/// Puts connections into TLS. The files are looked at for each connection, so renewed ones are taken without a restart.
pub(crate) struct Encryption {
    files: TlsFiles,
    /// What was made of the files, and when they were last changed then.
    made: Mutex<Option<(Changed, Arc<ClientConfig>)>>,
}

type Changed = [Option<SystemTime>; 3];

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption").finish_non_exhaustive()
    }
}

impl Encryption {
    pub(crate) fn new(files: TlsFiles) -> Self {
        Self {
            files,
            made: Mutex::new(None),
        }
    }

    /// The handshake over a fresh connection to `host:port`.
    pub(crate) async fn wrap(&self, address: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, ConnectFault> {
        let fault = |detail: String| unreachable(address, detail);
        let config = self.config().map_err(fault)?;
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| fault(format!("{host} is no name that a certificate could have")))?;
        TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(|error| fault(self.words(&error.to_string())))
    }

    /// A refusal that came only after the handshake, in what broke the first answer.
    pub(crate) fn refused(&self, address: &str, broken: &str) -> Option<ConnectFault> {
        broken
            .contains("fatal alert")
            .then(|| unreachable(address, self.words(broken)))
    }

    /// The one in use, with what it knows of earlier connections, or a new one when a file changed.
    fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let changed = [&self.files.ca, &self.files.cert, &self.files.key]
            .map(|file| std::fs::metadata(file.as_ref()?).and_then(|file| file.modified()).ok());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, config)) = &*made
            && *then == changed
        {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make()?);
        *made = Some((changed, Arc::clone(&config)));
        Ok(config)
    }

    fn make(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if self.files.verify {
            builder.with_root_certificates(self.roots()?)
        } else {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        };
        let (Some(cert), Some(key)) = (&self.files.cert, &self.files.key) else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = certificates(cert)?;
        let secret = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| format!("the key in {} can't be read: {error}", key.display()))?;
        builder
            .with_client_auth_cert(chain, secret)
            .map_err(|error| format!("{} and {} don't go together: {error}", cert.display(), key.display()))
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        let Some(ca) = &self.files.ca else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Ok(roots);
        };
        for certificate in certificates(ca)? {
            roots
                .add(certificate)
                .map_err(|error| format!("{} holds no usable CA: {error}", ca.display()))?;
        }
        Ok(roots)
    }

    /// rustls' words in those of a person.
    fn words(&self, text: &str) -> String {
        let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
        let ca = self.files.ca.as_ref().map_or_else(
            || "a CA that this machine trusts; name its CA (ca.pem in the folder of DOCKER_CERT_PATH)".to_owned(),
            |ca| format!("the CA in {}; see whether that is the engine's", ca.display()),
        );
        if has(&["UnknownIssuer", "BadSignature", "CaUsedAsEndEntity"]) {
            return format!("its certificate is not signed by {ca}");
        }
        if has(&["NotValidForName", "not valid for name"]) {
            return format!("its certificate is made out to another name ({text}); use the name that stands in it");
        }
        if has(&["certificate expired", "Expired"]) {
            return "its certificate has expired; renew it (or correct this machine's clock)".to_owned();
        }
        if has(&[
            "CertificateRequired",
            "BadCertificate",
            "UnknownCA",
            "CertificateUnknown",
            "AccessDenied",
            "HandshakeFailure",
        ]) {
            return match &self.files.cert {
                Some(cert) => format!(
                    "it does not accept the certificate in {}; use one that the engine's CA signed for a client",
                    cert.display()
                ),
                None => "it asks for a certificate; put cert.pem and key.pem into the folder of DOCKER_CERT_PATH (or \
                         into the docker context)"
                    .to_owned(),
            };
        }
        if has(&["InvalidContentType", "corrupt message"]) {
            return "what answers there speaks no TLS; unset DOCKER_TLS_VERIFY, or use the engine's TLS port \
                    (usually 2376)"
                .to_owned();
        }
        format!("no TLS connection came about: {text}")
    }
}

fn unreachable(address: &str, detail: String) -> ConnectFault {
    ConnectFault::Unreachable {
        endpoint: format!("tcp://{address}"),
        detail,
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unread = |error: String| format!("the certificate in {} can't be read: {error}", path.display());
    let all: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| unread(error.to_string()))?
        .collect();
    match all {
        Ok(all) if all.is_empty() => Err(unread("the file holds none".to_owned())),
        Ok(all) => Ok(all),
        Err(error) => Err(unread(error.to_string())),
    }
}

/// Takes any certificate, since the person's docker context says so (`SkipTLSVerify`).
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
