//! Registries that lie, stall and lead in circles: an error, nothing kept, bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gantry_ids::Digest;
use gantry_registry::Credentials;
use serde_json::json;

use crate::fake::{Answer, Asked, Fake};
use crate::stand::{Stand, gzip, noise, tar};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// An image of one layer as a registry has it.
struct Wares {
    layer: Vec<u8>,
    config: Vec<u8>,
    manifest: Vec<u8>,
}

impl Wares {
    fn new() -> Self {
        Self::of(&tar(&[("a", noise(9, 400_000))]))
    }

    fn of(tar: &[u8]) -> Self {
        let layer = gzip(tar);
        let config = json!({"architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(tar)]}});
        let config = config.to_string().into_bytes();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(), "digest": Digest::of(&config)},
            "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": layer.len(), "digest": Digest::of(&layer)}]});
        Self {
            layer,
            config,
            manifest: manifest.to_string().into_bytes(),
        }
    }

    fn layer_digest(&self) -> String {
        Digest::of(&self.layer).to_string()
    }

    /// What an honest registry answers; ranges are honoured.
    fn answer(&self, asked: &Asked) -> Answer {
        let manifest = || Answer::ok(self.manifest.clone()).with("Content-Type", MANIFEST);
        match asked
            .path
            .rsplit('/')
            .next()
            .expect("a path has a last part")
        {
            "" => Answer::ok(""),
            _ if asked.path.contains("/manifests/") => manifest(),
            name if name == Digest::of(&self.config).to_string() => Answer::ok(self.config.clone()),
            name if name == self.layer_digest() => self.range(asked),
            _ => Answer::status(404),
        }
    }

    fn range(&self, asked: &Asked) -> Answer {
        let Some(range) = asked.header("range") else {
            return Answer::ok(self.layer.clone());
        };
        let start: usize = range
            .trim_start_matches("bytes=")
            .trim_end_matches('-')
            .parse()
            .expect("json");
        let length = self.layer.len();
        let header = format!("bytes {start}-{}/{length}", length - 1);
        Answer::status(206)
            .with_body(&self.layer[start..])
            .with("Content-Range", header)
    }

    fn is_layer(&self, asked: &Asked) -> bool {
        asked.path.ends_with(&self.layer_digest())
    }
}

/// Pulls from a registry that changes some answers; the error's text.
async fn refused(
    change: impl Fn(&Wares, &Asked) -> Option<Answer> + Send + Sync + 'static,
) -> String {
    let wares = Wares::new();
    let fake = Fake::start(move |asked| {
        let honest = || wares.answer(asked);
        change(&wares, asked).unwrap_or_else(honest)
    })
    .await;
    let stand = Stand::new();
    let error = stand
        .pull(&fake.name("x:1"))
        .await
        .expect_err("a lie is found");
    stand.assert_nothing_kept();
    gantry_errors::chain(&error).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_fake_is_pulled_from() {
    let wares = Wares::new();
    let fake = Fake::start(move |asked| wares.answer(asked)).await;
    Stand::new().pull(&fake.name("x:1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_another_one() {
    let other = gzip(&tar(&[("b", noise(9, 400_000))]));
    let told = refused(move |wares, asked| {
        let mut other = other.clone();
        other.resize(wares.layer.len(), 0);
        wares.is_layer(asked).then(|| Answer::ok(other))
    });
    let told = told.await;
    assert!(
        told.contains("filesystem layer verification failed for digest sha256:"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lengths_that_are_not_the_descriptors() {
    let told = refused(|wares, asked| wares.is_layer(asked).then(|| Answer::ok("short")));
    assert!(told.await.contains("its descriptor says"));
    let endless = refused(|wares, asked| {
        let mut answer = Answer::ok(vec![0x1f; 100_000]);
        answer.is_endless = true;
        wares.is_layer(asked).then_some(answer)
    });
    let told = endless.await;
    assert!(
        told.contains("its descriptor says") || told.contains("gzip"),
        "{told}"
    );
    let config = refused(|wares, asked| {
        let is_config = asked.path.ends_with(&Digest::of(&wares.config).to_string());
        is_config.then(|| Answer::ok(vec![b' '; wares.config.len() + 1]))
    });
    assert!(config.await.contains("longer than"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_cut_is_gone_on_with() {
    let wares = Arc::new(Wares::new());
    let (theirs, cuts) = (Arc::clone(&wares), AtomicUsize::new(0));
    let fake = Fake::start(move |asked| {
        let mut answer = theirs.answer(asked);
        if theirs.is_layer(asked) && cuts.fetch_add(1, Ordering::SeqCst) < 2 {
            answer.cut_after = Some(150_000);
        }
        answer
    })
    .await;
    let stand = Stand::new();
    stand.pull(&fake.name("x:1")).await.unwrap();
    let ranges: Vec<_> = fake
        .asked()
        .iter()
        .filter(|asked| wares.is_layer(asked))
        .map(|asked| asked.header("range").map(str::to_owned))
        .collect();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=150000-".to_owned()),
            Some("bytes=300000-".to_owned())
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_pull_received_is_not_fetched_again() {
    let wares = Arc::new(Wares::new());
    let (theirs, is_down) = (Arc::clone(&wares), Arc::new(AtomicUsize::new(1)));
    let down = Arc::clone(&is_down);
    let fake = Fake::start(move |asked| {
        let mut answer = theirs.answer(asked);
        if theirs.is_layer(asked) && down.load(Ordering::SeqCst) == 1 {
            if asked.header("range").is_some() {
                return Answer::status(404);
            }
            answer.cut_after = Some(200_000);
        }
        answer
    })
    .await;
    let stand = Stand::new();
    stand.pull(&fake.name("x:1")).await.unwrap_err();
    stand.assert_nothing_kept();
    assert_eq!(stand.partials(), [200_000]);
    is_down.store(0, Ordering::SeqCst);
    stand.pull(&fake.name("x:1")).await.unwrap();
    let last = fake
        .asked()
        .into_iter()
        .rfind(|asked| wares.is_layer(asked))
        .unwrap();
    assert_eq!(last.header("range"), Some("bytes=200000-"));
    assert!(stand.partials().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_file_that_was_spoilt_is_fetched_anew() {
    let wares = Arc::new(Wares::new());
    let theirs = Arc::clone(&wares);
    let fake = Fake::start(move |asked| theirs.answer(asked)).await;
    let stand = Stand::new();
    let digest = Digest::of(&wares.layer);
    let path = stand.dir.path().join("image/partial").join(digest.hex());
    std::fs::write(path, vec![7; 1000]).unwrap();
    stand.pull(&fake.name("x:1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_do_not_go_on_for_ever_and_take_no_password_along() {
    let told = refused(|wares, asked| {
        let here = format!("/v2/x/blobs/{}", wares.layer_digest());
        wares
            .is_layer(asked)
            .then(|| Answer::status(307).with("Location", here))
    });
    assert!(told.await.contains("stopped after 5 redirects"));
    let wares = Arc::new(Wares::new());
    let theirs = Arc::clone(&wares);
    let store = Fake::start(move |asked| theirs.range(asked)).await;
    let (theirs, port) = (Arc::clone(&wares), store.port);
    let fake = Fake::start(move |asked| {
        if asked.header("authorization").is_none() {
            return Answer::status(401).with("WWW-Authenticate", "Basic realm=\"x\"");
        }
        let there = format!("http://localhost:{port}/somewhere");
        match theirs.is_layer(asked) {
            true => Answer::status(307).with("Location", there),
            false => theirs.answer(asked),
        }
    })
    .await;
    let credentials = Credentials::Password {
        user: "u".to_owned(),
        password: "p".to_owned(),
    };
    let stand = Stand::new();
    stand.pull_as(&fake.name("x:1"), credentials).await.unwrap();
    assert_eq!(store.asked().len(), 1);
    assert_eq!(store.asked()[0].header("authorization"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_are_none() {
    let manifest = |body: Vec<u8>, kind: &'static str| {
        refused(move |_, asked| {
            let answer = || Answer::ok(body.clone()).with("Content-Type", kind);
            asked.path.contains("/manifests/").then(answer)
        })
    };
    assert!(
        manifest(vec![b'['; 5 << 20], MANIFEST)
            .await
            .contains("longer than")
    );
    assert!(
        manifest(b"nope".to_vec(), MANIFEST)
            .await
            .contains("parse the manifest")
    );
    let html = manifest(
        b"{\"schemaVersion\":2,\"mediaType\":\"text/x\"}".to_vec(),
        "text/html",
    );
    assert!(html.await.contains("unsupported manifest format"));
    let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    assert!(manifest(b"{}".to_vec(), signed).await.contains("schema 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_that_never_ends() {
    let challenge = "Basic realm=\"x\"";
    let fake = Fake::start(move |_| Answer::status(401).with("WWW-Authenticate", challenge)).await;
    let credentials = Credentials::Password {
        user: "u".to_owned(),
        password: "p".to_owned(),
    };
    let stand = Stand::new();
    stand
        .pull_as(&fake.name("x:1"), credentials)
        .await
        .unwrap_err();
    assert!(fake.asked().len() <= 4, "{}", fake.asked().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_busy_is_asked_later() {
    let wares = Wares::new();
    let times = AtomicUsize::new(0);
    let fake = Fake::start(move |asked| {
        if asked.path.contains("/manifests/") && times.fetch_add(1, Ordering::SeqCst) == 0 {
            return Answer::status(429).with("Retry-After", "1");
        }
        wares.answer(asked)
    })
    .await;
    let start = std::time::Instant::now();
    Stand::new().pull(&fake.name("x:1")).await.unwrap();
    assert!(start.elapsed() >= std::time::Duration::from_secs(1));
    assert_eq!(fake.count("GET", "/manifests/"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_fetched_once_per_scope_and_sent_to_the_registry() {
    let wares = Wares::new();
    let server = Fake::start(|asked| {
        let is_known = asked.header("authorization") == Some("Basic dTpw");
        match is_known && asked.path.contains("scope=repository%3Ax%3Apull") {
            true => Answer::ok(r#"{"token":"t0ken","expires_in":300}"#),
            false => Answer::status(401).with_body(r#"{"details":"who are you"}"#),
        }
    })
    .await;
    let realm = format!(
        "Bearer realm=\"http://127.0.0.1:{}/token\",service=\"s\"",
        server.port
    );
    let fake = Fake::start(move |asked| match asked.header("authorization") {
        Some("Bearer t0ken") => wares.answer(asked),
        _ => Answer::status(401).with("WWW-Authenticate", realm.clone()),
    })
    .await;
    let credentials = |password: &str| Credentials::Password {
        user: "u".to_owned(),
        password: password.to_owned(),
    };
    let stand = Stand::new();
    let name = fake.name("x:1");
    let error = stand
        .pull_as(&name, credentials("wrong"))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "unauthorized: authentication required");
    let before = server.asked().len();
    stand.pull_as(&name, credentials("p")).await.unwrap();
    assert_eq!(server.asked().len() - before, 1);
}
