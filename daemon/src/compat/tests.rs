//! The tables hold everything Docker has, and do what they say.

use std::collections::BTreeSet;

use serde_json::json;

use super::fields::{FIELDS, UPDATED, apply, apply_update};
use crate::config::options::OPTIONS;

/// The lines of a list of facts, up to their first bar.
fn facts(text: &'static str) -> BTreeSet<&'static str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split(" | ").next().unwrap().trim())
        .collect()
}

fn assert_same(ours: &BTreeSet<&str>, theirs: &BTreeSet<&str>) {
    let missing: Vec<_> = theirs.difference(ours).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let unknown: Vec<_> = ours.difference(theirs).collect();
    assert!(unknown.is_empty(), "not known to Docker: {unknown:?}");
}

#[test]
fn the_table_holds_every_field_of_a_create_body() {
    let fields = facts(include_str!(
        "../../../proto/engine-api/facts/create-fields.txt"
    ));
    let fields = fields
        .into_iter()
        .filter(|name| !name.contains('<'))
        .collect();
    let ours: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
    assert_eq!(ours.len(), FIELDS.len(), "no field twice");
    assert_same(&ours, &fields);
}

/// Whether a flag or key is not one of our own.
fn is_dockers(name: &str) -> bool {
    let ours = ["", "trace", "host-firewall", "push-compression"];
    !ours.contains(&name) && !name.starts_with("gc-")
}

#[test]
fn the_table_holds_every_flag_and_key_of_dockerd() {
    let ours: BTreeSet<_> = OPTIONS.iter().map(|opt| opt.flag).collect();
    // Our own, and clap's.
    let mut ours: BTreeSet<_> = ours.into_iter().filter(|flag| is_dockers(flag)).collect();
    ours.extend(["help", "version"]);
    assert_same(&ours, &facts(include_str!("../../facts/flags.txt")));
    let ours: BTreeSet<_> = OPTIONS
        .iter()
        .map(|opt| opt.key)
        .filter(|key| is_dockers(key))
        .collect();
    let mut theirs = facts(include_str!("../../facts/keys.txt"));
    // Read under its newer name.
    theirs.remove("host-gateway-ip");
    assert_same(&ours, &theirs);
}

#[test]
fn a_refused_field_is_an_error_by_its_name() {
    for (body, field) in [
        (
            json!({"NetworkDisabled": true}),
            "ContainerConfig.NetworkDisabled",
        ),
        (
            json!({"hostconfig": {"usernsMODE": "private"}}),
            "HostConfig.UsernsMode",
        ),
    ] {
        let error = apply(&body).unwrap_err().to_string();
        assert!(error.starts_with(field), "{error}");
    }
}

#[test]
fn a_warned_field_is_named_and_zero_values_ask_for_nothing() {
    let body = json!({"ArgsEscaped": true, "HostConfig": {"CpuCount": 2, "KernelMemoryTCP": 0}});
    let warnings = apply(&body).unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].starts_with("ContainerConfig.ArgsEscaped has no effect"));
    let quiet = json!({"NetworkDisabled": false, "HostConfig": {"UsernsMode": "host", "Cgroup": ""},
        "NetworkingConfig": {"EndpointsConfig": {"default": {"Links": null, "Aliases": [], "GwPriority": 0}}}});
    assert_eq!(apply(&quiet).unwrap(), Vec::<String>::new());
    assert_eq!(apply(&json!([1])).unwrap(), Vec::<String>::new());
}

#[test]
fn an_update_says_what_it_does_not_change() {
    let body = json!({"Memory": 7, "Ulimits": [{"Name": "nofile"}], "CpuCount": 2, "Devices": null,
        "RestartPolicy": {"Name": "no"}});
    assert_eq!(
        apply_update(&body),
        [
            "Resources.CpuCount has no effect: it means something on Windows only",
            "Resources.Ulimits has no effect: an update does not change it"
        ]
    );
    let known: BTreeSet<_> = FIELDS.iter().map(|field| field.name).collect();
    assert!(UPDATED.iter().all(|name| known.contains(name)));
}

/// Set `GANTRY_BLESS=1` to write the page anew.
#[test]
fn the_page_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/compatibility.md");
    let written = super::document::markdown();
    if std::env::var_os("GANTRY_BLESS").is_some() {
        std::fs::write(path, &written).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        page == written,
        "docs/compatibility.md is stale: run this test with GANTRY_BLESS=1"
    );
}
