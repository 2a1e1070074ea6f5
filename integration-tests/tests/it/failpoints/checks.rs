//! What must be true after a death.

use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Client, eventually};

use super::call;

pub(super) fn inspect(docker: &Client, field: &str) -> String {
    docker.run(&["inspect", "-f", field, "vv"]).ok()
}

pub(super) fn state(docker: &Client) -> String {
    inspect(docker, "{{.State.Status}} {{.State.ExitCode}}")
}

/// Neither the container nor its name, nor a volume.
pub(super) fn is_gone(docker: &Client) {
    assert_eq!(docker.run(&["ps", "-aq"]).ok(), "");
    docker
        .run(&["create", "--name", "vv", BUSYBOX, "true"])
        .ok();
    eventually("no volume is left", Duration::from_secs(5), || {
        let volumes = docker.run(&["volume", "ls", "-q"]).ok();
        volumes.is_empty().then_some(())
    });
}

pub(super) fn goes(docker: &Client) {
    eventually("it removes itself", Duration::from_secs(10), || {
        let left = docker.run(&["ps", "-aq"]).ok();
        left.is_empty().then_some(())
    });
}

pub(super) fn can_be_started(docker: &Client) {
    assert_eq!(state(docker), "created 0");
    docker.run(&["start", "vv"]).ok();
    assert_eq!(docker.run(&["wait", "vv"]).ok(), "5");
}

pub(super) fn has_ended_with(docker: &Client, code: &str) {
    assert_eq!(docker.run(&["wait", "vv"]).ok(), code);
    assert_eq!(state(docker), format!("exited {code}"));
    let times = inspect(docker, "{{.State.StartedAt}} {{.State.FinishedAt}}");
    let (started, finished) = times.split_once(' ').expect("two times");
    assert!(started <= finished && started > "2000", "{times}");
}

pub(super) fn has_ended_with_5(docker: &Client) {
    has_ended_with(docker, "5");
}

pub(super) fn has_ended_with_7(docker: &Client) {
    has_ended_with(docker, "7");
}

pub(super) fn was_restarted(docker: &Client) {
    eventually("it was restarted once", Duration::from_secs(15), || {
        let found = inspect(
            docker,
            "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}",
        );
        (found == "1 exited 7").then_some(())
    });
}

/// It is there as it was asked for, takes commands, and stops when it is told to.
pub(super) fn runs(docker: &Client) {
    assert_eq!(state(docker), "running 0");
    assert_eq!(docker.run(&["exec", "vv", "echo", "here"]).ok(), "here");
    docker.run(&["stop", "-t", "0", "vv"]).ok();
    assert_eq!(state(docker), "exited 137");
}

pub(super) fn is_paused(docker: &Client) {
    assert_eq!(state(docker), "paused 0");
    docker.run(&["unpause", "vv"]).ok();
    runs(docker);
}

pub(super) fn can_be_updated(docker: &Client) {
    docker
        .run(&["update", "-m", "64m", "--memory-swap", "128m", "vv"])
        .ok();
    assert_eq!(inspect(docker, "{{.HostConfig.Memory}}"), "67108864");
    runs(docker);
}

/// The image is not there, and comes whole.
pub(super) fn is_loaded_again(docker: &Client) {
    let known = docker.run(&["images", "-q", "made"]).ok();
    assert_eq!(known, "");
    let loaded = call(docker, "load -i ARCHIVE").ok();
    assert_eq!(loaded, "Loaded image: made:latest");
    is_loaded(docker);
}

pub(super) fn is_loaded(docker: &Client) {
    let kept = docker.run(&["run", "--rm", "made", "cat", "/new"]).ok();
    assert_eq!(kept, "kept");
    docker.run(&["rmi", "made"]).ok();
}

pub(super) fn volume_is_there(docker: &Client) {
    let volume = ["run", "--rm", "-v", "vv:/v", BUSYBOX];
    let touch = [&volume[..], &["touch", "/v/file"]].concat();
    docker.run(&touch).ok();
    volume_can_be_removed(docker);
}

/// Whether it is there or not: it is usable, and goes.
pub(super) fn volume_can_be_removed(docker: &Client) {
    let list = ["run", "--rm", "-v", "vv:/v", BUSYBOX, "true"];
    docker.run(&list).ok();
    docker.run(&["volume", "rm", "vv"]).ok();
    assert_eq!(docker.run(&["volume", "ls", "-q"]).ok(), "");
}

pub(super) fn network_is_there(docker: &Client) {
    docker
        .run(&["run", "--rm", "--network", "vv", BUSYBOX, "true"])
        .ok();
    docker.run(&["network", "rm", "vv"]).ok();
}

pub(super) fn network_is_gone(docker: &Client) {
    let inspect = docker.run(&["network", "inspect", "vv"]);
    assert!(inspect.err.contains("network vv not found"), "{inspect:?}");
    docker.run(&["network", "create", "vv"]).ok();
    docker.run(&["network", "rm", "vv"]).ok();
}
