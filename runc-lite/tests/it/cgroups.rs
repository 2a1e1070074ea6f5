//! Control groups, of the version that the machine has.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::{Bundle, Runtime, is_v2, on_both, wait_until};

on_both! {
    fn limits_are_written(bundle: &mut Bundle) {
        bundle.config["linux"]["resources"]["memory"] = json!({"limit": 67_108_864, "reservation": 33_554_432});
        bundle.config["linux"]["resources"]["pids"] = json!({"limit": 50});
        bundle.config["linux"]["resources"]["cpu"] =
            json!({"shares": 512, "quota": 50_000, "period": 100_000, "cpus": "0", "mems": "0"});
        bundle.start_sleeping();
        assert_eq!(bundle.control(("memory", "memory.limit_in_bytes"), "memory.max"), "67108864");
        assert_eq!(bundle.control(("memory", "memory.soft_limit_in_bytes"), "memory.low"), "33554432");
        assert_eq!(bundle.control(("pids", "pids.max"), "pids.max"), "50");
        assert_eq!(bundle.control(("cpuset", "cpuset.cpus"), "cpuset.cpus"), "0");
        if is_v2() {
            assert_eq!(bundle.control(("", ""), "cpu.max"), "50000 100000");
        } else {
            assert_eq!(bundle.control(("cpu", "cpu.shares"), ""), "512");
            assert_eq!(bundle.control(("cpu", "cpu.cfs_quota_us"), ""), "50000");
        }
    }
}

on_both! {
    fn limits_can_be_changed(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let id = bundle.id.clone();
        bundle.call(&["update", "--memory", "67108864", "--pids-limit", "33", "--cpu-quota", "20000", &id]).ok();
        assert_eq!(bundle.control(("memory", "memory.limit_in_bytes"), "memory.max"), "67108864");
        assert_eq!(bundle.control(("pids", "pids.max"), "pids.max"), "33");
        let resources = json!({"memory": {"limit": 134_217_728}, "pids": {"limit": -1}});
        fs::write(bundle.path().join("resources"), resources.to_string()).unwrap();
        bundle.call(&["update", "--resources", "resources", &id]).ok();
        assert_eq!(bundle.control(("memory", "memory.limit_in_bytes"), "memory.max"), "134217728");
        assert_eq!(bundle.control(("pids", "pids.max"), "pids.max"), "max");
    }
}

on_both! {
    fn the_number_of_processes_is_limited(bundle: &mut Bundle) {
        bundle.config["linux"]["resources"]["pids"] = json!({"limit": 3});
        bundle.script("for i in 1 2 3 4 5; do sleep 1000 & done; echo end");
        let output = bundle.run();
        assert!(output.stderr.contains("can't fork"), "{output:?}");
    }
}

on_both! {
    fn devices_are_refused(bundle: &mut Bundle) {
        let script = "mknod /tmp/kmsg c 1 11; mknod /tmp/null c 1 3; cat /tmp/null && echo null; \
            cat /tmp/kmsg 2>&1 | dd bs=1 count=0 2>/dev/null; (exec 3</tmp/kmsg) 2>/dev/null || echo refused";
        assert_eq!(bundle.run_script(script), "null\nrefused\n");
    }
}

on_both! {
    fn a_device_can_be_allowed(bundle: &mut Bundle) {
        // fuse: whether or not the machine has it, being refused is another error than not being there.
        let script = "mknod /tmp/d c 10 229; (: < /tmp/d) 2>&1 | grep -c 'not permitted'; \
            (: > /tmp/d) 2>&1 | grep -c 'not permitted'";
        bundle.script(script);
        assert_eq!(bundle.run().stdout, "1\n1\n");
        fs::remove_file(bundle.rootfs().join("tmp/d")).unwrap();
        let devices = bundle.config["linux"]["resources"]["devices"].as_array_mut().unwrap();
        devices.push(json!({"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"}));
        assert_eq!(bundle.run().stdout, "0\n1\n");
    }
}

on_both! {
    fn everything_in_the_group_dies_with_it(bundle: &mut Bundle) {
        let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "pid");
        // Leaves a child behind and forks on: only a kill of the whole group gets them all.
        bundle.script("(while :; do sleep 0.05; done) & sleep 1000 & echo both; wait");
        bundle.create().ok();
        bundle.verb("start").ok();
        wait_until("output", || bundle.output() == "both\n");
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        assert!(!bundle.cgroup("pids").exists());
    }
}

on_both! {
    fn the_container_sees_its_group(bundle: &mut Bundle) {
        let pids = if is_v2() { "/sys/fs/cgroup/pids.max" } else { "/sys/fs/cgroup/pids/pids.max" };
        bundle.config["linux"]["resources"]["pids"] = json!({"limit": 44});
        bundle.config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
        let output = bundle.run_script(&format!("cat {pids}; grep pids /proc/self/cgroup; echo 45 > {pids} || echo refused"));
        assert!(output.starts_with("44\n") && output.ends_with("refused\n"), "{output}");
        if !is_v2() {
            assert!(output.contains(":pids:/\n"), "{output}");
        }
    }
}

on_both! {
    fn memory_that_runs_out_is_counted(bundle: &mut Bundle) {
        bundle.config["linux"]["resources"]["memory"] = json!({"limit": 16_777_216, "swap": 16_777_216});
        bundle.start_sleeping();
        let output = bundle.exec("dd if=/dev/zero of=/dev/null bs=64M count=1");
        assert_eq!(output.code, 137, "{output:?}");
        let counters = bundle.control(("memory", "memory.oom_control"), "memory.events");
        assert!(counters.contains("oom_kill 1"), "{counters}");
    }
}

on_both! {
    fn exec_can_go_into_a_group_below(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let (choice, line) = if is_v2() { ("below", "0::") } else { ("pids:below", ":pids:") };
        fs::create_dir(bundle.cgroup("pids").join("below")).unwrap();
        let id = bundle.id.clone();
        let group = bundle.call(&["exec", "--cgroup", choice, &id, "cat", "/proc/self/cgroup"]).ok().stdout;
        let own = group.lines().find(|at| at.contains(line)).unwrap();
        assert!(own.ends_with("/below"), "{group}");
        assert_eq!(bundle.call(&["exec", "--cgroup", "../..", &id, "true"]).code, 255);
    }
}

/// v2 only: files of the kernel by their names.
#[test]
fn unified_keys_are_files() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        bundle.config["linux"]["resources"]["unified"] =
            json!({"pids.max": "55", "memory.high": "50331648"});
        bundle.args(&["sleep", "1000"]);
        let output = bundle.create();
        if !is_v2() {
            let error = "runc create failed: the unified cgroup controller is not available";
            output.failed(1, error);
            return;
        }
        output.ok();
        assert_eq!(bundle.control(("", ""), "pids.max"), "55");
        assert_eq!(bundle.control(("", ""), "memory.high"), "50331648");
    });
}

#[test]
fn a_parent_that_is_made_passes_its_processors_on() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        let parent = format!("runc-lite-it-{}", bundle.id);
        bundle.config["linux"]["cgroupsPath"] = json!(format!("/{parent}/inner"));
        bundle.start_sleeping();
        if !is_v2() {
            let inner = bundle.cgroup("cpuset");
            let above = inner.parent().unwrap();
            let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
            assert_eq!(read(above, "cgroup.clone_children"), "1\n");
            for name in ["cpuset.cpus", "cpuset.mems"] {
                assert_eq!(read(&inner, name), read(above, name));
                assert_ne!(read(&inner, name), "\n");
            }
        }
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        // Each hierarchy has one, on v2 the only one.
        let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap();
        let hierarchies = hierarchies.map(|entry| entry.unwrap().path());
        for hierarchy in hierarchies.chain(["/sys/fs/cgroup".into()]) {
            let _not_there = fs::remove_dir(hierarchy.join(&parent));
        }
    });
}
