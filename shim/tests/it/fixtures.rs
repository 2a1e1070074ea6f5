//! Bundles that earlier shims left, read by this one: a change of their format needs a migration.

use std::fs;
use std::path::Path;

use gantry_proto::containerd::task::v3::DeleteResponse;
use prost::Message;

use crate::shim::call;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn delete(bundle: &Path, id: &str) -> DeleteResponse {
    let address = bundle.join("nobody.sock");
    DeleteResponse::decode(call(&address, bundle, id, "delete").as_slice()).unwrap()
}

#[test]
fn the_end_in_an_old_bundle_is_still_known() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle-v1");
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    copy(&fixture, &bundle);
    let told = delete(&bundle, "fixture");
    assert_eq!((told.exit_status, told.pid), (7, 4_194_999));
    let at = told.exited_at.unwrap();
    assert_eq!((at.seconds, at.nanos), (1_795_283_135, 123_456_789));
}

#[test]
fn a_record_of_a_later_version_is_not_guessed_at() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    fs::create_dir_all(bundle.join("exits")).unwrap();
    let later = r#"{"v":2,"pid":9,"exit_status":0,"exited_at":"2026-11-21T17:45:35Z"}"#;
    fs::write(bundle.join("exits/fixture.json"), later).unwrap();
    let told = delete(&bundle, "fixture");
    assert_eq!(told.exit_status, 137, "an end that nobody saw");
}
