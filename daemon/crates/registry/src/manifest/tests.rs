use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": media::DOCKER_MANIFEST,
        "config": {"mediaType": media::DOCKER_CONFIG, "digest": D, "size": 7},
        "layers": [
            {"mediaType": media::DOCKER_LAYER, "digest": D, "size": 32},
            {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "digest": D, "size": 9},
        ],
    })
}

fn list(platforms: &[(&str, &str, &str)]) -> Value {
    let manifests: Vec<Value> = platforms
        .iter()
        .map(|(os, architecture, variant)| {
            json!({"mediaType": media::OCI_MANIFEST, "digest": D, "size": 1,
                "platform": {"os": os, "architecture": architecture, "variant": variant}})
        })
        .collect();
    json!({"schemaVersion": 2, "manifests": manifests})
}

fn read(value: &Value) -> Result<Document, ManifestError> {
    Document::parse(value.to_string().as_bytes(), "")
}

fn refused(change: impl FnOnce(&mut Value)) -> String {
    let mut value = image();
    change(&mut value);
    read(&value).unwrap_err().to_string()
}

#[test]
fn an_image_of_either_family() {
    let Document::Manifest(manifest) = read(&image()).unwrap() else {
        panic!("an index")
    };
    assert_eq!(manifest.layers.len(), 2);
    assert_eq!(manifest.config.size, 7);
    // Without a media type of its own the answer's counts.
    let mut value = image();
    value.as_object_mut().unwrap().remove("mediaType");
    let bytes = value.to_string();
    let media = "application/vnd.docker.distribution.manifest.v2+json; charset=utf-8";
    let document = Document::parse(bytes.as_bytes(), media).unwrap();
    assert_eq!(document.media_type(), media::DOCKER_MANIFEST);
    let document = Document::parse(bytes.as_bytes(), "application/octet-stream").unwrap();
    assert_eq!(document.media_type(), media::OCI_MANIFEST);
}

#[test]
fn what_is_refused_says_why() {
    assert!(refused(|m| m["schemaVersion"] = json!(1)).contains("schema 1"));
    assert!(refused(|m| m["fsLayers"] = json!([])).contains("schema 1"));
    assert!(refused(|m| m["schemaVersion"] = json!(3)).contains("not 2"));
    assert!(refused(|m| m["manifests"] = json!([])).contains("at once"));
    assert!(refused(|m| m["layers"][0]["digest"] = json!("sha512:ab")).contains("sha512:ab"));
    assert!(refused(|m| m["layers"][0]["size"] = json!(-1)).contains("out of range"));
    assert!(refused(|m| m["layers"][0]["size"] = json!(1_u64 << 41)).contains("out of range"));
    assert!(refused(|m| m["config"]["size"] = json!(5 << 20)).contains("too long"));
    assert!(refused(|m| m["mediaType"] = json!("text/plain")).contains("text/plain"));
    let helm = "application/vnd.cncf.helm.config.v1+json";
    assert!(refused(|m| m["config"]["mediaType"] = json!(helm)).contains(helm));
    assert!(refused(|m| m["layers"][1]["mediaType"] = json!("a/wasm")).contains("a/wasm"));
    let many = vec![image()["layers"][0].clone(); 126];
    assert!(refused(|m| m["layers"] = json!(many)).contains("125"));
    let long = vec![b' '; MANIFEST_MAX_BYTES + 1];
    assert!(matches!(
        Document::parse(&long, ""),
        Err(ManifestError::TooLong)
    ));
    assert!(matches!(
        Document::parse(
            b"{}",
            "application/vnd.docker.distribution.manifest.v1+prettyjws"
        ),
        Err(ManifestError::Schema1)
    ));
}

#[test]
fn the_best_platform_of_an_index() {
    let choose = |platforms: &[(&str, &str, &str)], wanted: &str| {
        let Document::Index(index) = read(&list(platforms)).unwrap() else {
            panic!("a manifest")
        };
        let chosen = index.choose(&wanted.parse().unwrap());
        chosen
            .map(|chosen| chosen.platform.clone().unwrap().to_string())
            .map_err(|error| error.to_string())
    };
    let all = [
        ("unknown", "unknown", ""),
        ("linux", "arm", "v6"),
        ("linux", "arm", "v7"),
        ("linux", "amd64", ""),
        ("windows", "amd64", ""),
    ];
    assert_eq!(choose(&all, "linux/amd64").unwrap(), "linux/amd64");
    assert_eq!(choose(&all, "linux/arm").unwrap(), "linux/arm/v7");
    assert_eq!(choose(&all, "linux/arm/v6").unwrap(), "linux/arm/v6");
    assert_eq!(
        choose(&all, "linux/s390x").unwrap_err(),
        "no matching manifest for linux/s390x in the manifest list entries"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_to_an_end(text in ".{0,200}") {
        let _ = Document::parse(text.as_bytes(), "");
    }

    #[test]
    fn any_change_of_one_value_is_read_to_an_end(key in 0..4_usize, text in "[a-z0-9:]{0,8}", number in any::<i64>()) {
        let keys = ["schemaVersion", "mediaType", "config", "layers"];
        for value in [json!(text), json!(number), json!([number]), json!({"digest": text})] {
            let mut image = image();
            image[keys[key]] = value;
            let _ = read(&image);
        }
    }
}
