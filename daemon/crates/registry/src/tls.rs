//! HTTP clients by the TLS they use.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, NoProxy, Proxy};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::RegistryError;
use crate::hosts::{ProxyOptions, TlsPolicy};

const CONNECT_LIMIT: Duration = Duration::from_secs(30);
/// How long nothing may arrive.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// What Go never sends through a proxy either.
const ALWAYS_DIRECT: &str = "localhost,127.0.0.0/8,::1";

/// A client for endpoints with this policy.
pub(crate) fn client(policy: &TlsPolicy, proxy: &ProxyOptions) -> Result<Client, RegistryError> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(config(policy)?)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .read_timeout(SILENCE_LIMIT)
        .pool_idle_timeout(Duration::from_secs(20))
        .http1_only()
        .no_proxy()
        .user_agent(concat!("gantry/", env!("CARGO_PKG_VERSION"), " (linux)"));
    for proxy in proxies(proxy)? {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(RegistryError::Setup)
}

fn proxies(options: &ProxyOptions) -> Result<Vec<Proxy>, RegistryError> {
    let or_env = |given: &str, name: &str| match given {
        "" => std::env::var(name)
            .or_else(|_| std::env::var(name.to_ascii_lowercase()))
            .unwrap_or_default(),
        given => given.to_owned(),
    };
    let none = or_env(&options.none, "NO_PROXY");
    let direct = || NoProxy::from_string(&format!("{ALWAYS_DIRECT},{none}"));
    let mut found = Vec::new();
    let http = or_env(&options.http, "HTTP_PROXY");
    if !http.is_empty() {
        found.push(
            Proxy::http(http)
                .map_err(RegistryError::Setup)?
                .no_proxy(direct()),
        );
    }
    let https = or_env(&options.https, "HTTPS_PROXY");
    if !https.is_empty() {
        found.push(
            Proxy::https(https)
                .map_err(RegistryError::Setup)?
                .no_proxy(direct()),
        );
    }
    Ok(found)
}

fn config(policy: &TlsPolicy) -> Result<ClientConfig, RegistryError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions");
    let builder = if policy.skip_verify {
        let any = Arc::new(AnyCertificate(provider));
        builder.dangerous().with_custom_certificate_verifier(any)
    } else {
        builder.with_root_certificates(roots(policy)?)
    };
    let Some((cert, key)) = &policy.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    builder
        .with_client_auth_cert(chain, private)
        .map_err(|error| failed(cert, &error))
}

/// The system's authorities and the policy's.
fn roots(policy: &TlsPolicy) -> Result<RootCertStore, RegistryError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a certificate of the system was left out");
    }
    roots.add_parsable_certificates(native.certs);
    for file in &policy.authorities {
        for certificate in certificates(file)? {
            roots
                .add(certificate)
                .map_err(|error| failed(file, &error))?;
        }
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let all = CertificateDer::pem_file_iter(file).map_err(|error| failed(file, &error))?;
    all.collect::<Result<_, _>>()
        .map_err(|error| failed(file, &error))
}

fn failed(path: &Path, why: &dyn std::fmt::Display) -> RegistryError {
    RegistryError::Certificate {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

/// Takes any certificate: for registries that the administrator declared insecure. Signatures of the
/// handshake are checked all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
