use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

fn places(root: &tempfile::TempDir) -> Arc<Places> {
    let (kept, run) = (root.path().join("contexts"), root.path().join("run"));
    Places::open(kept, run, Arc::default()).unwrap()
}

#[test]
fn a_place_is_found_again_and_never_shared() {
    let root = tempfile::tempdir().unwrap();
    let places = places(&root);
    let mut first = places.take("key").unwrap();
    fs::write(first.path().join("file"), "text").unwrap();
    first.settle(true);
    let second = places.take("key").unwrap();
    assert_ne!(first.path(), second.path());
    assert!(!second.path().join("file").exists());
    drop(first);
    let again = places.take("key").unwrap();
    assert_eq!(fs::read(again.path().join("file")).unwrap(), b"text");
    places.prune().unwrap();
    assert!(again.path().join("file").exists());
    drop((again, second));
    places.prune().unwrap();
    assert!(!places.take("key").unwrap().path().join("file").exists());
}

#[test]
fn what_was_used_lately_stays() {
    let root = tempfile::tempdir().unwrap();
    let places = places(&root);
    let received = |key: &str, is_large: bool| {
        let mut place = places.take(key).unwrap();
        if is_large {
            place.enlarge().unwrap();
        }
        let file = place.path().join("file");
        fs::write(&file, "text").unwrap();
        let digest = [7; 32];
        place.digests.put(&rustix::fs::stat(&file).unwrap(), digest);
        place.settle(true);
        let path = place.path.clone();
        drop(place);
        // Taken again, it is kept.
        drop(places.take(key).unwrap());
        path
    };
    let (small, large) = (received("small", false), received("large", true));
    let (again, large_again) = (received("again", false), received("large again", true));
    let old = [small.with_extension(KEPT), large.clone()];
    let old = BTreeSet::from_iter(old.into_iter().chain([large.with_extension(DIGESTS)]));
    let used = [again.with_extension(KEPT), large_again.clone()];
    let used = used
        .into_iter()
        .chain([large_again.with_extension(DIGESTS)]);
    let used = BTreeSet::from_iter(used);
    let before = SystemTime::now() - Duration::from_secs(60);
    for path in old.iter().chain(&used) {
        fs::File::open(path).unwrap().set_modified(before).unwrap();
    }
    // What did not change is used as well.
    drop(places.take("again").unwrap());
    drop(places.take("large again").unwrap());
    let gone = Mutex::new(BTreeSet::new());
    let removing = |path: &Path| assert!(gone.lock().unwrap().insert(path.to_owned()));
    places.prune_unused_since(before, &removing).unwrap();
    assert_eq!(gone.into_inner().unwrap(), old);
    let left = fs::read_dir(root.path().join("contexts")).unwrap();
    assert_eq!(
        BTreeSet::from_iter(left.map(|one| one.unwrap().path())),
        used
    );
}

#[test]
fn a_place_without_a_key_is_gone_afterwards() {
    let root = tempfile::tempdir().unwrap();
    let places = places(&root);
    let place = places.take("").unwrap();
    let path = place.path().to_owned();
    fs::write(path.join("file"), "").unwrap();
    drop(place);
    assert!(!path.exists());
}

#[test]
fn what_is_too_large_for_memory_lies_on_the_disk() {
    let root = tempfile::tempdir().unwrap();
    let places = places(&root);
    let mut place = places.take("key").unwrap();
    assert!(place.is_small());
    place.enlarge().unwrap();
    fs::write(place.path().join("file"), "large").unwrap();
    place.settle(true);
    drop(place);
    let again = places.take("key").unwrap();
    assert!(!again.is_small());
    assert_eq!(fs::read(again.path().join("file")).unwrap(), b"large");
}

#[test]
fn what_was_kept_goes_to_the_disk_where_memory_has_no_room() {
    let root = tempfile::tempdir().unwrap();
    let places = places(&root);
    let mut place = places.take("key").unwrap();
    assert!(place.is_small());
    fs::write(place.path().join("file"), "text").unwrap();
    place.settle(true);
    drop(place);
    // Taken and given back, what was received is kept.
    drop(places.take("key").unwrap());
    // Not settled, it has nearly all.
    let other = places.take("other").unwrap();
    for _ in 0..2 {
        let again = places.take("key").unwrap();
        assert!(other.is_small() && !again.is_small());
        assert_eq!(fs::read(again.path().join("file")).unwrap(), b"text");
        assert!(!again.path().with_extension(KEPT).exists());
    }
}

#[test]
fn what_is_damaged_is_sent_again() {
    let root = tempfile::tempdir().unwrap();
    let places = places(&root);
    let mut place = places.take("key").unwrap();
    fs::write(place.path().join("file"), "text").unwrap();
    place.settle(true);
    drop(place);
    // Taken and given back, what was received is kept.
    drop(places.take("key").unwrap());
    let kept = root.path().join("contexts");
    let kept = fs::read_dir(kept).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&kept).unwrap();
    fs::write(&kept, &bytes[..bytes.len() / 2]).unwrap();
    let place = places.take("key").unwrap();
    assert_ne!(
        fs::read(place.path().join("file")).unwrap_or_default(),
        b"text"
    );
}

#[test]
fn nothing_is_left_mounted_where_an_engine_was_killed() {
    let root = tempfile::tempdir().unwrap();
    let places = self::places(&root);
    let place = places.take("key").unwrap();
    let at = place.path().to_owned();
    std::mem::forget(place);
    let mounted = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(mounted().contains(&*at.to_string_lossy()));
    drop(self::places(&root));
    assert!(!mounted().contains(&*at.to_string_lossy()));
}
