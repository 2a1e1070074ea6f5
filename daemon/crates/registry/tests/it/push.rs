//! Pushing to a registry nobody here wrote.

use gantry_registry::transfer::LayerEvent;
use gantry_registry::{Credentials, RegistryOptions};

use crate::peer::{PeerRegistry, Setup};
use crate::stand::{Stand, layer_words, noise};

/// `alice` with the password `secret`.
const HTPASSWD: &str = "alice:$2y$05$h9taYfbtwSIi3cLqNDzeROg2NXPHSpmoA/rNKi8fmfE4lOmTNxmj2\n";

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_found_mounted_and_copied_so_that_the_digest_stays() {
    let (here, there) = (PeerRegistry::start(), PeerRegistry::start());
    let (one, two) = (Stand::new(), Stand::new());
    let name = here.name("team/app:1");
    let id = one.import(&name, &[("a", noise(3, 500_000))]);
    let digest = one.push(&name).await.unwrap().0[0].digest;
    let (_, told) = one.push(&name).await.unwrap();
    assert_eq!(
        layer_words(&told),
        [LayerEvent::Preparing, LayerEvent::AlreadyThere]
    );
    // Another engine, which has no compressed layer: mounted in the same registry …
    two.pull(&name).await.unwrap();
    let mounted = here.name("other/app:2");
    two.images.tag(&id, &mounted.parse().unwrap()).unwrap();
    let (pushed, told) = two.push(&mounted).await.unwrap();
    let from = "team/app".to_owned();
    assert_eq!(
        layer_words(&told),
        [LayerEvent::Preparing, LayerEvent::Mounted(from)]
    );
    assert_eq!(pushed[0].digest, digest);
    // … and copied to another one.
    let copied = there.name("far/app:3");
    two.images.tag(&id, &copied.parse().unwrap()).unwrap();
    let (pushed, told) = two.push(&copied).await.unwrap();
    assert_eq!(
        layer_words(&told),
        [LayerEvent::Preparing, LayerEvent::Pushed]
    );
    assert_eq!(pushed[0].digest, digest);
    // With every source gone it is made again, the same each time.
    drop((here, there));
    let last = PeerRegistry::start();
    let mut digests = Vec::new();
    for path in ["x/app:1", "y/app:1"] {
        let name = last.name(path);
        two.images.tag(&id, &name.parse().unwrap()).unwrap();
        digests.push(two.push(&name).await.unwrap().0[0].digest);
    }
    assert_eq!(digests[0], digests[1]);
    let three = Stand::new();
    assert_eq!(three.pull(&last.name("x/app:1")).await.unwrap().0.id, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_pushed_says_why() {
    let stand = Stand::new();
    let registry = PeerRegistry::start();
    let error = stand
        .push(&registry.name("zzz:1"))
        .await
        .unwrap_err()
        .to_string();
    let name = registry.name("zzz");
    assert_eq!(
        error,
        format!("An image does not exist locally with the tag: {name}")
    );
    stand.import(&registry.name("app:1"), &[("a", vec![1])]);
    let error = stand
        .push(&registry.name("app:2"))
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        format!("tag does not exist: {}", registry.name("app:2"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_passwords() {
    let registry = PeerRegistry::with(&Setup {
        htpasswd: Some(HTPASSWD),
        ..Setup::default()
    });
    let stand = Stand::new();
    let name = registry.name("p/app:1");
    stand.import(&name, &[("a", vec![1; 5000])]);
    let error = stand.push(&name).await.unwrap_err();
    assert_eq!(error.to_string(), "no basic auth credentials");
    let alice = |password: &str| Credentials::Password {
        user: "alice".to_owned(),
        password: password.to_owned(),
    };
    stand.push_as(&name, alice("secret")).await.unwrap();
    let other = Stand::new();
    let error = other.pull_as(&name, alice("wrong")).await.unwrap_err();
    assert_eq!(error.to_string(), "unauthorized: authentication required");
    let error = other.pull(&name).await.unwrap_err().to_string();
    assert!(
        error.ends_with("/v2/p/app/manifests/1\": no basic auth credentials"),
        "{error}"
    );
    other.assert_nothing_kept();
    other.pull_as(&name, alice("secret")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_a_certificate_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let registry = PeerRegistry::with(&Setup {
        tls: Some((cert.clone(), key)),
        ..Setup::default()
    });
    // Loopback addresses need no certificate that anybody knows.
    let stand = Stand::new();
    let name = registry.name("tls/app:1");
    stand.import(&name, &[("a", vec![1; 5000])]);
    stand.push(&name).await.unwrap();
    // Any other name does. `hosts.toml` leads to the same registry by a name.
    let host = "registry.example:1";
    let certs = dir.path().join("certs.d").join(host);
    std::fs::create_dir_all(&certs).unwrap();
    let hosts = |ca: &str| format!("server = \"https://localhost:{}\"\n{ca}", registry.port);
    let options = RegistryOptions {
        certs_dirs: vec![dir.path().join("certs.d")],
        ..RegistryOptions::default()
    };
    std::fs::write(certs.join("hosts.toml"), hosts("")).unwrap();
    let unknown = Stand::with(options.clone());
    let error = unknown
        .pull(&format!("{host}/tls/app:1"))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("certificate signed by unknown authority"),
        "{error}"
    );
    let ca = format!("ca = \"{}\"\n", cert.display());
    std::fs::write(certs.join("hosts.toml"), hosts(&ca)).unwrap();
    let known = Stand::with(options);
    known.pull(&format!("{host}/tls/app:1")).await.unwrap();
}
