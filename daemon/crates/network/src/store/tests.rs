use super::*;

/// As format 1 is on disks: it must be readable for good.
const FORMAT_1: &str = r#"{"v":1,"id":"783c0b717b468cf29157d7a418b549e8c0465299af95eb8c9534a9bd1f99366b","name":"bridge","driver":"bridge","created_ns":1795268816709489740,"bridge":"gantry2f62e592","subnet":"172.17.0.1/16","user_subnet":false,"ip_range":null,"gateway":null,"options":{"com.docker.network.bridge.name":"gantry2f62e592"},"labels":{}}"#;

/// The same as format 3 writes it.
const FORMAT_3: &str = r#"{"v":3,"id":"783c0b717b468cf29157d7a418b549e8c0465299af95eb8c9534a9bd1f99366b","name":"bridge","driver":"bridge","created_ns":1795268816709489740,"bridge":"gantry2f62e592","ipv4":true,"ipv6":false,"subnets":[{"net":"172.17.0.1/16","chosen":false,"ip_range":null,"gateway":null,"reserved":{}}],"options":{"com.docker.network.bridge.name":"gantry2f62e592"},"labels":{},"internal":false,"attachable":false,"ipam_options":null,"parent":null,"foreign_bridge":false,"config_only":false,"config_from":null}"#;

/// The same as format 2 wrote it.
const FORMAT_2: &str = r#"{"v":2,"id":"783c0b717b468cf29157d7a418b549e8c0465299af95eb8c9534a9bd1f99366b","name":"bridge","driver":"bridge","created_ns":1795268816709489740,"bridge":"gantry2f62e592","subnet":"172.17.0.1/16","user_subnet":false,"ip_range":null,"gateway":null,"options":{"com.docker.network.bridge.name":"gantry2f62e592"},"labels":{},"internal":false,"attachable":false,"reserved":{},"ipam_options":null,"parent":null,"foreign_bridge":false}"#;

#[test]
fn older_formats_are_read_and_the_newest_is_written() {
    let record = decode("k".to_owned(), FORMAT_1.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&record).unwrap(), FORMAT_3);
    for format in [FORMAT_2, FORMAT_3] {
        let again = decode("k".to_owned(), format.as_bytes()).unwrap();
        assert_eq!(again, record);
    }
}

#[test]
fn later_formats_and_torn_records_are_refused_by_name() {
    let refused = |text: &str| {
        decode("k".to_owned(), text.as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(r#"{"v":4,"shape":"new"}"#),
        "record of network k has format 4, newer than this engine knows"
    );
    assert_eq!(refused(&FORMAT_2[..40]), "record of network k");
}

#[test]
fn the_database_keeps_what_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let record = decode(String::new(), FORMAT_1.as_bytes()).unwrap();
    let open = || RedbStore::new(Arc::new(Database::create(&path).unwrap()));
    assert_eq!(open().load().unwrap(), []);
    open().put(&record).unwrap();
    assert_eq!(open().load().unwrap(), std::slice::from_ref(&record));
    open().delete(&record.id).unwrap();
    open().delete(&record.id).unwrap();
    assert_eq!(open().load().unwrap(), []);
}
