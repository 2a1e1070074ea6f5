use gantry_errors::{Classify, ErrorKind};

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

/// The daemon starts again.
fn again(root: &Path, before: &Volumes) -> Volumes {
    let store = before.store.clone();
    Volumes::open(root.join("volumes"), store, Arc::default()).unwrap()
}

/// Made with a file `one` in it.
async fn filled(volumes: &Volumes, name: &str) {
    let none = (Map::default(), BTreeMap::new());
    let made = volumes.ensure(name, "", &none.0, &none.1).await;
    let (record, _) = made.unwrap();
    fs::write(volumes.path(&record.name).join("one"), "1").unwrap();
}

#[tokio::test]
async fn another_name_leads_to_the_same_contents() {
    let dir = tempfile::tempdir().unwrap();
    let all = volumes(dir.path());
    filled(&all, "data").await;
    filled(&all, "other").await;
    let used = all.rename("data", "new", &["c1".to_owned()]).await;
    let text = used.unwrap_err().to_string();
    assert_eq!(text, "rename data: volume is in use - [c1]");
    let taken = all.rename("data", "other", &[]).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Conflict);
    assert!(all.rename("data", "a b", &[]).await.is_err());
    assert!(all.rename("data", "data", &[]).await.is_err());

    let renamed = all.rename("data", "new", &[]).await.unwrap();
    let read = |all: &Volumes| fs::read_to_string(all.path(&renamed.name).join("one")).unwrap();
    assert_eq!(read(&all), "1");
    assert!(all.get("data").is_err());
    // The old name is free, and what it leads to later stays apart.
    filled(&all, "data").await;
    let all = again(dir.path(), &all);
    assert_eq!(read(&all), "1");
    assert!(all.get("data").is_ok() && all.get("new").is_ok());
}

#[tokio::test]
async fn a_kill_between_the_two_names_is_mended_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let all = volumes(dir.path());
    filled(&all, "data").await;
    let renamed = all.rename("data", "new", &[]).await.unwrap();
    // As if the directory had not been renamed any more.
    let root = dir.path().join("volumes");
    fs::rename(root.join("new"), root.join("data")).unwrap();
    let all = again(dir.path(), &all);
    let one = fs::read_to_string(all.path(&renamed.name).join("one"));
    assert_eq!(one.unwrap(), "1");
    assert!(!root.join("data").exists());
}

#[tokio::test]
async fn contents_come_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let all = volumes(dir.path());
    filled(&all, "full").await;
    let none = (Map::default(), BTreeMap::new());
    let made = all.ensure("empty", "", &none.0, &none.1).await;
    let (empty, _) = made.unwrap();
    let full = all.get("full").unwrap();
    let put = |to: &Path| fs::write(to.join("two"), "2");
    let refused = all.fill(&full, put).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "import into full: the volume is not empty"
    );
    let broken = all.fill(&empty, |to| {
        put(to)?;
        Err(io::Error::other("torn"))
    });
    assert_eq!(broken.unwrap_err().kind(), ErrorKind::InvalidArgument);
    let names = || fs::read_dir(all.path(&empty.name)).unwrap().count();
    assert_eq!(names(), 0);
    all.fill(&empty, put).unwrap();
    assert_eq!(names(), 1);
    let beside = fs::read_dir(dir.path().join("volumes/empty")).unwrap();
    assert_eq!(beside.count(), 1, "nothing else is left");
}
