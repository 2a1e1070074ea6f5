//! The container's log.

use std::collections::HashMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;

use gantry_stdio::{JsonFile, StdioUri};

use crate::shim::Shim;

fn records(path: &Path) -> Vec<HashMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn both_streams_are_logged_with_the_last_line_unfinished() {
    let mut shim = Shim::start(&["/bin/sh", "-c", "echo out; echo err >&2; printf rest"]).await;
    shim.create().await;
    shim.run().await;
    shim.wait("").await;
    let mut lines: Vec<String> = records(&shim.log())
        .iter()
        .map(|record| format!("{}:{}", record["stream"], record["log"]))
        .collect();
    lines.sort();
    assert_eq!(lines, ["stderr:err\n", "stdout:out\n", "stdout:rest"]);
    shim.finish().await;
}

#[tokio::test]
async fn a_million_lines_through_rotation_are_all_there_once_and_in_order() {
    let mut shim = Shim::start(&["/usr/bin/seq", "1000000"]).await;
    let uri = StdioUri {
        log: Some(JsonFile {
            max_size: NonZeroU64::new(10_000_000),
            max_file: NonZeroU32::new(50).unwrap(),
            ..JsonFile::unlimited(shim.log())
        }),
        ..shim.uri()
    };
    shim.create_with(&uri, false).await;
    shim.run().await;
    assert_eq!(shim.wait("").await, 0);
    let mut expected = 1;
    let mut check = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines() {
            let log = line
                .strip_prefix("{\"log\":\"")
                .and_then(|rest| rest.split_once("\\n"));
            assert_eq!(
                log.unwrap().0.parse(),
                Ok(expected),
                "in {}",
                path.display()
            );
            expected += 1;
        }
        text.len()
    };
    let rotated = |number: u32| shim.folder.path().join(format!("json.log.{number}"));
    let count = (1..50)
        .take_while(|number| rotated(*number).exists())
        .last()
        .unwrap();
    for number in (1..=count).rev() {
        let len = check(&rotated(number));
        assert!(
            (10_000_000..10_000_200).contains(&len),
            "rotated at {len} bytes"
        );
    }
    check(&shim.log());
    assert_eq!(expected, 1_000_001);
    shim.finish().await;
}
