use super::*;

fn volumes(root: &Path) -> Volumes {
    let store = Store::open(&root.join("db.redb"), &root.join("ahead.json")).unwrap();
    Volumes::open(root.join("volumes"), store, Arc::default()).unwrap()
}

#[tokio::test]
async fn a_volume_is_made_once_and_removed_when_unused() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(dir.path());
    let none = (Map::default(), BTreeMap::new());
    let (first, new) = volumes.ensure("data", "", &none.0, &none.1).await.unwrap();
    assert!(new && volumes.path(&first.name).is_dir());
    let (_, again) = volumes
        .ensure("data", "local", &none.0, &none.1)
        .await
        .unwrap();
    assert!(!again);
    let (anonymous, _) = volumes.ensure("", "", &none.0, &none.1).await.unwrap();
    assert!(anonymous.anonymous && anonymous.name.as_str().len() == 64);
    let error = volumes
        .remove("data", &["c1".to_owned()])
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "remove data: volume is in use - [c1]");
    volumes.remove("data", &[]).await.unwrap();
    assert!(!dir.path().join("volumes/data").exists());
    let error = volumes.remove("data", &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "get data: no such volume");
}

#[tokio::test]
async fn what_is_not_local_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let volumes = volumes(dir.path());
    let none = (Map::default(), BTreeMap::new());
    let driver = volumes
        .ensure("v1", "foo", &none.0, &none.1)
        .await
        .unwrap_err();
    assert_eq!(
        driver.to_string(),
        "create v1: error looking up volume plugin foo: plugin \"foo\" not found"
    );
    assert!(volumes.ensure("a b", "", &none.0, &none.1).await.is_err());
}
