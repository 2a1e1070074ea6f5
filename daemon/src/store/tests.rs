use super::*;

fn open(dir: &Path) -> Result<Store, StoreError> {
    Store::open(&dir.join("gantry.redb"), &dir.join("ahead.json"))
}

/// The writer thread lets go of the file a moment after the last handle.
fn reopen(dir: &Path) -> Store {
    let mut last = None;
    for _ in 0..5000 {
        match open(dir) {
            Ok(store) => return store,
            Err(error) => last = Some(error),
        }
        thread::yield_now();
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    panic!("{last:?}");
}

fn container(id: &str, value: &str) -> Batch {
    Batch::default().put(Table::Containers, id, value.as_bytes().to_vec())
}

fn containers(store: &Store) -> Vec<(String, String)> {
    let rows = store.load(Table::Containers).unwrap();
    let text = |(key, value)| (key, String::from_utf8(value).unwrap());
    rows.into_iter().map(text).collect()
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let writes = (0..20).map(|n| {
        let store = store.clone();
        async move {
            let batch = container(&format!("id{n}"), "x");
            match n % 2 {
                0 => store.commit(batch).await,
                _ => store.commit_soon(batch).await,
            }
        }
    });
    for write in futures_util::future::join_all(writes).await {
        write.unwrap();
    }
    let gone = Batch::default().delete(Table::Containers, "id3");
    store.commit_soon(gone).await.unwrap();
    assert!(open(dir.path()).is_err(), "one process at a time");
    drop(store);
    let records = containers(&reopen(dir.path()));
    assert_eq!(records.len(), 19);
    assert!(records.iter().all(|(key, _)| key != "id3"));
}

#[tokio::test]
async fn a_synced_commit_takes_along_what_went_ahead_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.commit_soon(container("a", "1")).await.unwrap();
    store.commit_soon(container("a", "2")).await.unwrap();
    store.commit(container("b", "1")).await.unwrap();
    let pairs = [("a", "2"), ("b", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(containers(&store), pairs);
    let settled = || std::fs::read(dir.path().join("ahead.json")).unwrap();
    assert!(settled().is_empty());
}

/// What an engine leaves that is killed between the answer and the commit.
#[tokio::test]
async fn what_went_ahead_of_a_killed_engine_is_committed_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.commit(container("kept", "1")).await.unwrap();
    let engine = store.load(Table::Engine).unwrap();
    let (_, mark) = engine.iter().find(|(key, _)| key == Mark::KEY).unwrap();
    let mark = Mark::decode(mark).unwrap();
    drop(store);
    drop(reopen(dir.path()));

    let path = dir.path().join("ahead.json");
    let mut file = Ahead::create(&path, mark.clone()).unwrap();
    file.append(&container("late", "1")).unwrap();
    file.append(&container("late", "2")).unwrap();
    file.append(&Batch::default().delete(Table::Containers, "kept"))
        .unwrap();
    let mut lines = std::fs::read(&path).unwrap();
    lines.extend_from_slice(b"{\"v\":1,\"store\":");
    std::fs::write(&path, &lines).unwrap();
    let store = reopen(dir.path());
    assert_eq!(containers(&store), [("late".to_owned(), "2".to_owned())]);

    // The same lines again, after something newer: they are known.
    store.commit(container("late", "3")).await.unwrap();
    drop(store);
    drop(reopen(dir.path()));
    std::fs::write(&path, &lines).unwrap();
    let store = reopen(dir.path());
    assert_eq!(containers(&store), [("late".to_owned(), "3".to_owned())]);
    drop(store);
    drop(reopen(dir.path()));

    // Those of another database, too.
    let mut other = Ahead::create(&path, Mark::new().at(7)).unwrap();
    other.append(&container("foreign", "1")).unwrap();
    assert_eq!(containers(&reopen(dir.path())).len(), 1);
}

#[test]
fn a_record_that_is_no_text_does_not_go_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ahead.json");
    let mark = Mark::new();
    let mut file = Ahead::create(&path, mark.clone()).unwrap();
    let binary = Batch::default().put(Table::Engine, "x", vec![0xff]);
    assert!(file.append(&binary).is_err());
    assert_eq!(file.append(&container("a", "1")).unwrap(), 1);
    assert_eq!(Ahead::missing(&path, &mark).unwrap().0.len(), 1);
}
