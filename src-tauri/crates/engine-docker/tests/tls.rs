//! A real dockerd that asks for certificates.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use locald_engine::{ConnectFault, Engine as _, EngineError, StopRequest};
use locald_engine_docker::{Access, DockerEngine, TlsFiles};
use locald_engine_testbed::{BUSYBOX, Dockerd, busybox_image, required};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

type Authority = Issuer<'static, KeyPair>;

/// A CA, whose certificate goes to `<folder>/<name>.pem`.
fn authority(folder: &Path, name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    fs::write(
        folder.join(format!("{name}.pem")),
        params.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    Issuer::new(params, key)
}

/// A certificate and its key, as `<folder>/<name>.pem` and `<folder>/<name>-key.pem`.
fn certificate(folder: &Path, name: &str, by: &Authority, use_for: ExtendedKeyUsagePurpose, address: &str) {
    let mut params = CertificateParams::new(vec![address.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![use_for];
    let key = KeyPair::generate().unwrap();
    let signed = params.signed_by(&key, by).unwrap();
    fs::write(folder.join(format!("{name}.pem")), signed.pem()).unwrap();
    fs::write(folder.join(format!("{name}-key.pem")), key.serialize_pem()).unwrap();
}

/// A dockerd with `--tlsverify` at a port, whose certificate is made out to this address.
fn dockerd(folder: &Path, address: &str) -> Option<(Dockerd, String)> {
    let ca = authority(folder, "ca");
    let stranger = authority(folder, "other-ca");
    certificate(folder, "server", &ca, ExtendedKeyUsagePurpose::ServerAuth, address);
    certificate(folder, "client", &ca, ExtendedKeyUsagePurpose::ClientAuth, "client");
    certificate(
        folder,
        "stranger",
        &stranger,
        ExtendedKeyUsagePurpose::ClientAuth,
        "client",
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = |name: &str| folder.join(name).display().to_string();
    let options = vec![
        "-H".to_owned(),
        format!("tcp://127.0.0.1:{port}"),
        "--tlsverify".to_owned(),
        format!("--tlscacert={}", file("ca.pem")),
        format!("--tlscert={}", file("server.pem")),
        format!("--tlskey={}", file("server-key.pem")),
    ];
    Some((
        required(Dockerd::start_with(options))?,
        format!("tcp://127.0.0.1:{port}"),
    ))
}

fn files(folder: &Path, ca: Option<&str>, client: Option<&str>) -> TlsFiles {
    let path = |name: String| -> PathBuf { folder.join(name) };
    TlsFiles {
        ca: ca.map(|ca| path(format!("{ca}.pem"))),
        cert: client.map(|client| path(format!("{client}.pem"))),
        key: client.map(|client| path(format!("{client}-key.pem"))),
        verify: true,
    }
}

fn engine(endpoint: &str, tls: Option<TlsFiles>) -> DockerEngine {
    let access = Access {
        tls,
        ..Access::default()
    };
    DockerEngine::new(support::identity(endpoint), access).unwrap()
}

async fn words(engine: &DockerEngine) -> String {
    let begun = Instant::now();
    let error = engine.connect().await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(3), "{error}");
    match error {
        EngineError::Connect(ConnectFault::Unreachable { detail, .. } | ConnectFault::Fault { detail, .. }) => detail,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_certificates_open_the_engine_and_others_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some((dockerd, endpoint)) = dockerd(folder, "127.0.0.1") else {
        return;
    };
    let tls = |ca, client| Some(files(folder, ca, client));
    let good = engine(&endpoint, tls(Some("ca"), Some("client")));
    let version = good.connect().await.unwrap();
    // Two ways to one engine.
    assert_eq!(version, support::engine_at(&dockerd.socket()).connect().await.unwrap());

    // Through both layers: lists by our own, creating by bollard.
    busybox_image(&dockerd, BUSYBOX).unwrap();
    let id = good.start(&support::sleeper(), None).await.unwrap().id;
    assert_eq!(good.list().await.unwrap().len(), 1);
    let request = StopRequest {
        signal: None,
        grace: Duration::from_secs(5),
    };
    good.stop(&id, request).await.unwrap();
    good.remove(&id).await.unwrap();

    let unverified = TlsFiles {
        verify: false,
        ..files(folder, None, Some("client"))
    };
    engine(&endpoint, Some(unverified)).connect().await.unwrap();

    let mut all = Vec::new();
    for (tls, expected) in [
        (tls(Some("other-ca"), Some("client")), "other-ca.pem"),
        (tls(None, Some("client")), "a CA that this machine trusts"),
        (tls(Some("ca"), None), "asks for a certificate"),
        (tls(Some("ca"), Some("stranger")), "does not accept the certificate"),
        (tls(Some("absent"), Some("client")), "absent.pem can't be read"),
        (tls(Some("server-key"), Some("client")), "server-key.pem can't be read"),
        (None, "DOCKER_TLS_VERIFY=1"),
    ] {
        let said = words(&engine(&endpoint, tls)).await;
        assert!(said.contains(expected), "{expected}: {said}");
        all.push(said);
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_and_an_engine_without_tls_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let Some((_dockerd, endpoint)) = dockerd(folder.path(), "elsewhere.test") else {
        return;
    };
    let tls = files(folder.path(), Some("ca"), Some("client"));
    let said = words(&engine(&endpoint, Some(tls.clone()))).await;
    assert!(said.contains("another name"), "{said}");

    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    let answers = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = plain.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    let said = words(&engine(&format!("tcp://{address}"), Some(tls))).await;
    assert!(said.contains("speaks no TLS"), "{said}");
    answers.join().unwrap();
}
