//! What recorded attributes mean, and which are refused.

use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Attributes, AttributesError> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Attributes::read(&pairs.iter().map(own).collect())
}

#[test]
fn recorded_attributes_are_read() {
    let attributes = read(&[
        ("ulimit", "nofile=10:20"),
        ("shm-size", "67108864"),
        ("platform", "linux/amd64"),
        ("label:l", "m"),
        ("add-hosts", "h=1.2.3.4"),
        ("build-arg:A", "b"),
        ("force-network-mode", "none"),
        ("no-cache", "one"),
        ("target", "one"),
        ("image-resolve-mode", "pull"),
        ("filename", "D.warn"),
        ("context:nn", "local:nn"),
        ("context:alpine", "docker-image://alpine:3"),
        ("frontend.caps", "moby.buildkit.frontend.contexts+forward"),
        ("multi-platform", "false"),
        ("hostname", "builder"),
        ("local-sessionid:context", "mine"),
        ("vcs:revision", "0123"),
        ("cmdline", "docker/dockerfile:1"),
    ])
    .unwrap();
    assert_eq!(attributes.hostname, "builder");
    assert_eq!(attributes.foreign("mine").next(), None);
    let foreign: Vec<_> = attributes.foreign("other").collect();
    assert_eq!(foreign, [("context", "mine")]);
    assert_eq!(attributes.filename, "D.warn");
    assert_eq!(attributes.limits.shm_bytes, 64 << 20);
    let limit = &attributes.limits.ulimits[0];
    assert_eq!(
        (limit.name.as_str(), limit.soft, limit.hard),
        ("nofile", 10, 20)
    );
    assert_eq!(attributes.extra_hosts, ["h:1.2.3.4"]);
    assert_eq!(attributes.network, "none");
    assert_eq!(attributes.reuse, Reuse::AllBut(vec!["one".to_owned()]));
    assert_eq!(attributes.pull, Pull::Always);
    assert_eq!(attributes.contexts["nn"], Place::Session("nn".to_owned()));
    let image = Place::Image("alpine:3".to_owned());
    assert_eq!(attributes.contexts["alpine"], image);
    let host = Platform::new("linux", "arm64", "");
    let language = attributes.language(&host).unwrap();
    assert_eq!(language.target_platform.architecture, "amd64");
    assert_eq!(language.build_platform, host);
    assert_eq!(
        language.build_args["BUILDKIT_SYNTAX"],
        "docker/dockerfile:1"
    );
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    for (name, value, said) in [
        (
            "nonsense",
            "1",
            "the option nonsense=\"1\" of the build is not supported",
        ),
        (
            "attest:sbom",
            "",
            "the option attest:sbom=\"\" of the build is not supported",
        ),
        (
            "shm-size",
            "big",
            "invalid value \"big\" of the option shm-size of the build",
        ),
        (
            "ulimit",
            "nofile",
            "invalid value \"nofile\" of the option ulimit of the build",
        ),
        (
            "platform",
            "a,b",
            "multi-platform builds are not supported yet: a,b",
        ),
        (
            "multi-platform",
            "true",
            "multi-platform=true is not supported: an image of one platform is made",
        ),
        (
            "frontend.caps",
            "moby.buildkit.frontend.contexts,nonsense",
            "unsupported frontend capability nonsense",
        ),
        (
            "context",
            "oci-archive:a.tar",
            "the build context context=\"oci-archive:a.tar\" is not supported yet",
        ),
    ] {
        assert_eq!(read(&[(name, value)]).unwrap_err().to_string(), said);
    }
}

#[test]
fn contexts_come_from_many_places() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let layout = format!("oci-layout://store@{digest}");
    for (place, read) in [
        ("local:x", Place::Session("x".to_owned())),
        ("http://buildkit-session/x", Place::Upload("/x".to_owned())),
        ("docker-image://busybox", Place::Image("busybox".to_owned())),
        (
            "https://h/x.git#main",
            Place::Address("https://h/x.git#main".to_owned()),
        ),
        ("git@h:x", Place::Address("git@h:x".to_owned())),
        (
            "https://h/x.tar",
            Place::Address("https://h/x.tar".to_owned()),
        ),
    ] {
        assert_eq!(context("name", place), Ok(read), "{place}");
    }
    let Ok(Place::Layout(read)) = context("name", &layout) else {
        panic!("{layout} is a layout");
    };
    assert_eq!(
        (read.store.as_str(), read.digest.to_string()),
        ("store", digest)
    );
}
