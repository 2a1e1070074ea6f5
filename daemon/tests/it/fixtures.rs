//! A data root that an earlier engine wrote, opened by this one: a change of a format needs a
//! migration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use gantry_daemon::container::model::Record;
use gantry_daemon::container::mounts::Source;
use gantry_daemon::container::remove::Teardown;
use gantry_daemon::container::state::Life;
use gantry_daemon::engine::Engine;
use gantry_daemon::events::EventBus;
use gantry_daemon::store::{Store, Table};

use crate::server::config;

/// The fixture, unpacked: `data` and `exec`.
fn unpacked() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1.tar.gz");
    let mut tar = Command::new("tar");
    let status = tar.arg("-xzf").arg(fixture).arg("-C").arg(dir.path());
    assert!(status.status().unwrap().success());
    dir
}

fn records(store: &Store) -> BTreeMap<String, Record> {
    let rows = store.load(Table::Containers).unwrap();
    let decode = |(key, bytes): &(String, Vec<u8>)| Record::decode(key, bytes).unwrap();
    let records = rows.iter().map(decode);
    records
        .map(|record| (record.name.to_string(), record))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_an_earlier_version_are_read() {
    let dir = unpacked();
    let dir_path = dir.path();
    let store = Store::open(
        &dir_path.join("data/gantry.redb"),
        &dir_path.join("ahead.json"),
    );
    let store = store.unwrap();
    let records = records(&store);
    assert_eq!(
        records.keys().collect::<Vec<_>>(),
        ["never", "ran", "unseen"]
    );
    let ran = &records["ran"];
    assert!(
        matches!(&ran.life, Life::Exited { exit } if exit.code == 5 && exit.finished.is_some())
    );
    assert_eq!(ran.config.labels.get("tier").unwrap(), "test");
    assert_eq!(ran.host.memory, 32 << 20);
    assert!(ran.last.started.is_some());
    let never = &records["never"];
    assert_eq!(never.life, Life::Created);
    assert_eq!(never.host.restart_policy.name, "on-failure");
    assert!(never.config.env.iter().any(|entry| entry == "A=b"));
    let volume = &never.mounts[0];
    assert_eq!(volume.target, "/kept");
    assert!(
        matches!(&volume.source, Source::Volume { name, anonymous: false, .. } if name == "kept")
    );
    let unseen = &records["unseen"];
    assert!(matches!(&unseen.life, Life::Exited { exit } if exit.code == 7));
    let teardowns = store.load(Table::Teardown).unwrap();
    let [(key, bytes)] = teardowns.as_slice() else {
        panic!("one removal was cut short: {teardowns:?}");
    };
    let teardown: Teardown = serde_json::from_slice(bytes).unwrap();
    assert_eq!(teardown.id.as_str(), key);
    assert_eq!(teardown.volumes.len(), 1);
    assert!(teardown.farewell.is_some());
    let places = store.load(Table::Engine).unwrap();
    assert!(places.iter().any(|(key, _)| key == "journal"));
}

#[tokio::test(flavor = "multi_thread")]
async fn images_volumes_and_networks_of_an_earlier_version_are_there() {
    let dir = unpacked();
    let engine = Arc::new(Engine::open(config(dir.path())).unwrap());
    let image = engine.images.find("fixture:1").unwrap();
    assert_eq!(image.config.run().cmd.as_deref().unwrap(), ["/bin/five"]);
    let id = gantry_ids::ContainerId::generate();
    let chain = image.config.chain();
    let rw = dir.path().join("rw");
    let rootfs = engine
        .images
        .adopt_rootfs(&id, chain.as_ref(), &rw)
        .unwrap();
    let five = rootfs.lowers[0].join("bin/five");
    assert_eq!(std::fs::metadata(&five).unwrap().len(), 512);
    let link = std::fs::read_link(rootfs.lowers[0].join("bin/link")).unwrap();
    assert_eq!(link, PathBuf::from("five"));
    let volume = engine.containers.parts.volumes.get("kept").unwrap();
    assert_eq!(volume.labels.get("keep").unwrap(), "yes");
    for name in ["host", "none"] {
        engine.containers.parts.networks.inspect(name).unwrap();
    }
}

#[test]
fn events_of_an_earlier_version_are_kept() {
    let dir = unpacked();
    let bus = Arc::new(EventBus::open(&dir.path().join("exec/events.json")));
    let events = bus.subscribe_with_history().ready();
    let died = events.iter().find(|event| event.action == "die").unwrap();
    assert_eq!(died.actor.attributes.get("exitCode").unwrap(), "5");
    assert_eq!(died.actor.attributes.get("name").unwrap(), "ran");
    let ids: Vec<_> = events.iter().map(|event| event.time_nano).collect();
    assert!(ids.is_sorted() && ids.len() > 8, "{ids:?}");
}
