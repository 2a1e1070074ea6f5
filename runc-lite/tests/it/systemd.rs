//! Control groups that systemd makes. Where systemd is not the init, that the driver is refused.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::harness::{Bundle, Runtime, is_v2, on_both, wait_until};

const NOT_RUNNING: &str =
    "runc create failed: systemd not running on this host, cannot use systemd cgroups manager";

fn is_booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// A property of a unit, as systemd tells it.
#[track_caller]
fn property(unit: &str, name: &str) -> String {
    let output = Command::new("systemctl")
        .args(["show", "--value", "--property", name, unit])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A container that sleeps in a unit; `None` where there is no systemd, which was told in runc's words.
#[track_caller]
fn sleeping(bundle: &mut Bundle) -> Option<String> {
    let unit = bundle.use_systemd();
    if is_booted() {
        bundle.start_sleeping();
        return Some(unit);
    }
    bundle.args(&["sleep", "1000"]);
    bundle.create().failed(1, NOT_RUNNING);
    None
}

on_both! {
    fn a_container_is_a_scope(bundle: &mut Bundle) {
        bundle.config["linux"]["resources"]["memory"] = json!({"limit": 67_108_864, "reservation": 33_554_432});
        bundle.config["linux"]["resources"]["pids"] = json!({"limit": 50});
        bundle.config["linux"]["resources"]["cpu"] =
            json!({"shares": 2000, "quota": 50_000, "period": 100_000, "cpus": "0", "mems": "0"});
        let Some(unit) = sleeping(bundle) else { return };
        assert_eq!(property(&unit, "ActiveState"), "active");
        assert_eq!(property(&unit, "Slice"), "system.slice");
        assert_eq!(property(&unit, "Delegate"), "yes");
        assert_eq!(property(&unit, "TasksMax"), "50");
        assert_eq!(property(&unit, "CPUQuotaPerSecUSec"), "500ms");
        assert_eq!(property(&unit, "DevicePolicy"), "strict");
        assert!(property(&unit, "DeviceAllow").contains("/dev/char/1:3 "));
        if is_v2() {
            assert_eq!(property(&unit, "MemoryMax"), "67108864");
            assert_eq!(property(&unit, "MemoryLow"), "33554432");
            assert_eq!(property(&unit, "CPUWeight"), "170");
            assert_eq!(property(&unit, "AllowedCPUs"), "0");
            assert_eq!(bundle.control(("", ""), "cpu.max"), "50000 100000");
        }
        assert_eq!(bundle.control(("memory", "memory.limit_in_bytes"), "memory.max"), "67108864");
        // What exec adds is in the scope too.
        let group = bundle.exec("cat /proc/self/cgroup").ok().stdout;
        let line = if is_v2() { "0::" } else { ":name=systemd:" };
        assert!(group.lines().any(|at| at.contains(line)), "{group}");
        let pids = bundle.control(("pids", "cgroup.procs"), "cgroup.procs");
        assert_eq!(pids.lines().count(), 1);
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        wait_until("the unit's end", || property(&unit, "LoadState") == "not-found");
    }
}

on_both! {
    fn a_path_that_says_nothing_is_a_scope_of_the_system(bundle: &mut Bundle) {
        bundle.use_systemd();
        bundle.config["linux"]["cgroupsPath"] = json!("");
        bundle.args(&["sleep", "1000"]);
        let output = bundle.create();
        if is_booted() {
            output.ok();
            let unit = format!("runc-{}.scope", bundle.id);
            assert_eq!(property(&unit, "Slice"), "system.slice");
            bundle.call(&["delete", "--force", &bundle.id]).ok();
        } else {
            output.failed(1, NOT_RUNNING);
        }
        bundle.use_systemd();
    }
}

on_both! {
    fn limits_that_change_are_systemd_s_too(bundle: &mut Bundle) {
        let Some(unit) = sleeping(bundle) else { return };
        let id = bundle.id.clone();
        bundle.call(&["update", "--memory", "67108864", "--pids-limit", "33", &id]).ok();
        if is_v2() {
            assert_eq!(property(&unit, "MemoryMax"), "67108864");
        }
        assert_eq!(property(&unit, "TasksMax"), "33");
        // A reload writes what systemd knows.
        assert!(Command::new("systemctl").arg("daemon-reload").status().unwrap().success());
        assert_eq!(bundle.control(("memory", "memory.limit_in_bytes"), "memory.max"), "67108864");
        assert_eq!(bundle.control(("pids", "pids.max"), "pids.max"), "33");
        let refused = bundle.exec("mknod /tmp/kmsg c 1 11; (: < /tmp/kmsg) 2>&1; (: < /dev/null) && echo null");
        assert!(refused.stdout.contains("not permitted") && refused.stdout.ends_with("null\n"), "{refused:?}");
    }
}

on_both! {
    fn properties_can_be_asked_for(bundle: &mut Bundle) {
        bundle.config["annotations"] = json!({
            "org.systemd.property.TimeoutStopUSec": "uint64 123000000",
            "org.systemd.property.CollectMode": "'inactive-or-failed'",
        });
        let Some(unit) = sleeping(bundle) else { return };
        assert_eq!(property(&unit, "TimeoutStopUSec"), "2min 3s");
        assert_eq!(property(&unit, "CollectMode"), "inactive-or-failed");
    }
}

on_both! {
    fn a_path_without_three_parts_is_refused(bundle: &mut Bundle) {
        bundle.use_systemd();
        bundle.config["linux"]["cgroupsPath"] = json!("/runc-lite-it/none");
        let output = bundle.create();
        bundle.use_systemd();
        if is_booted() {
            let error = "runc create failed: expected cgroupsPath to be of format \"slice:prefix:name\" \
                for systemd cgroups, got \"/runc-lite-it/none\" instead";
            output.failed(1, error);
        } else {
            assert_eq!(output.code, 1, "{output:?}");
        }
    }
}

on_both! {
    fn pausing_and_killing_reach_the_scope(bundle: &mut Bundle) {
        let Some(unit) = sleeping(bundle) else { return };
        bundle.verb("pause").ok();
        assert_eq!(bundle.state()["status"], "paused");
        bundle.verb("resume").ok();
        let id = bundle.id.clone();
        bundle.call(&["kill", &id, "KILL"]).ok();
        bundle.wait_for_status("stopped");
        bundle.verb("delete").ok();
        wait_until("the unit's end", || property(&unit, "LoadState") == "not-found");
    }
}
