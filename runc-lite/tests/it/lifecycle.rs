//! From `create` to `delete`.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Bundle, Runtime, on_both, wait_until};

on_both! {
    fn run_gives_output_and_code(bundle: &mut Bundle) {
        bundle.script("echo out; echo err >&2; exit 7");
        let output = bundle.run();
        assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (7, "out\n", "err\n"));
    }
}

on_both! {
    fn a_signal_is_128_more(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let output = bundle.exec("kill -9 $$");
        assert_eq!(output.code, 137);
    }
}

on_both! {
    fn the_whole_way(bundle: &mut Bundle) {
        bundle.script("echo started; exec sleep 1000");
        bundle.create().ok();
        let state = bundle.state();
        assert_eq!(state["status"], "created");
        assert_eq!(state["id"], bundle.id.as_str());
        assert_eq!(state["bundle"], bundle.path().to_str().unwrap());
        let pid = fs::read_to_string(bundle.path().join("pid")).unwrap();
        assert_eq!(state["pid"].to_string(), pid);
        assert_eq!(bundle.output(), "");
        bundle.verb("start").ok();
        assert_eq!(bundle.state()["status"], "running");
        wait_until("output", || bundle.output() == "started\n");
        bundle.call(&["kill", &bundle.id, "KILL"]).ok();
        bundle.wait_for_status("stopped");
        assert_eq!(bundle.state()["pid"], 0);
        bundle.verb("delete").ok();
        bundle.verb("state").failed(1, "container does not exist");
    }
}

on_both! {
    fn verbs_out_of_turn(bundle: &mut Bundle) {
        bundle.verb("state").failed(1, "container does not exist");
        bundle.verb("delete").failed(1, "container does not exist");
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        bundle.start_sleeping();
        bundle.create().failed(1, "runc create failed: container with given ID already exists");
        bundle.verb("start").failed(1, "cannot start an already running container");
        let id = bundle.id.clone();
        bundle.verb("delete").failed(1, &format!("cannot delete container {id} that is not stopped: running"));
        bundle.call(&["kill", &id, "FOO"]).failed(1, "unknown signal \"FOO\"");
        bundle.verb("resume").failed(1, "container not paused");
        bundle.call(&["kill", &id, "9"]).ok();
        bundle.wait_for_status("stopped");
        bundle.call(&["kill", &id, "9"]).failed(1, "container not running");
        bundle.verb("pause").failed(1, "container not running");
        bundle.verb("start").failed(1, "cannot start a container that has stopped");
        bundle.call(&["exec", &id, "true"]).failed(255, "exec failed: cannot exec in a stopped container");
        bundle.call(&["events", "--stats", &id]).failed(1, &format!("container with id {id} is not running"));
    }
}

on_both! {
    fn pausing_stops_everything(bundle: &mut Bundle) {
        bundle.start_sleeping();
        bundle.verb("pause").ok();
        assert_eq!(bundle.state()["status"], "paused");
        bundle.call(&["exec", &bundle.id, "true"]).failed(
            255,
            "exec failed: cannot exec in a paused container (use --ignore-paused to override)",
        );
        bundle.verb("resume").ok();
        assert_eq!(bundle.state()["status"], "running");
        bundle.call(&["exec", &bundle.id, "true"]).ok();
    }
}

on_both! {
    fn a_created_container_can_be_deleted(bundle: &mut Bundle) {
        bundle.args(&["true"]);
        bundle.create().ok();
        bundle.verb("delete").ok();
    }
}

on_both! {
    fn a_paused_container_dies_of_sigkill(bundle: &mut Bundle) {
        bundle.start_sleeping();
        bundle.verb("pause").ok();
        bundle.call(&["kill", &bundle.id, "KILL"]).ok();
        bundle.wait_for_status("stopped");
    }
}

on_both! {
    fn a_container_is_listed(bundle: &mut Bundle) {
        bundle.start_sleeping();
        assert_eq!(bundle.call(&["list", "-q"]).ok().stdout, format!("{}\n", bundle.id));
        let list: Value = serde_json::from_str(&bundle.call(&["list", "--format", "json"]).ok().stdout).unwrap();
        assert_eq!(list[0]["id"], bundle.id.as_str());
        assert_eq!(list[0]["owner"], "root");
        let table = bundle.call(&["list"]).ok().stdout;
        assert!(table.starts_with("ID "), "{table}");
        let pids = bundle.call(&["ps", "--format", "json", &bundle.id]).ok().stdout;
        let pids: Vec<i64> = serde_json::from_str(&pids).unwrap();
        assert_eq!(json!(pids), json!([bundle.state()["pid"]]));
    }
}

on_both! {
    fn stats_are_told(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let stats = bundle.call(&["events", "--stats", &bundle.id]).ok().stdout;
        let stats: Value = serde_json::from_str(&stats).unwrap();
        assert_eq!(stats["type"], "stats");
        assert!(stats["data"]["memory"]["usage"]["usage"].as_u64().unwrap() > 0, "{stats}");
        assert_eq!(stats["data"]["pids"]["current"], 1);
    }
}

on_both! {
    fn a_container_without_a_pid_namespace_is_killed_whole(bundle: &mut Bundle) {
        let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "pid");
        bundle.script("sleep 1000 & sleep 1000 & echo both; wait");
        bundle.create().ok();
        bundle.verb("start").ok();
        wait_until("output", || bundle.output() == "both\n");
        bundle.call(&["delete", "--force", &bundle.id]).ok();
    }
}

on_both! {
    fn a_container_in_anothers_pid_namespace_is_killed_whole(bundle: &mut Bundle) {
        let mut other = std::process::Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "sleep", "1000"])
            .spawn()
            .unwrap();
        let place = format!("/proc/{}/ns/pid_for_children", other.id());
        wait_until("a namespace", || {
            let namespace = |of: &str| fs::read_link(of).ok();
            namespace(&place).is_some_and(|new| namespace("/proc/self/ns/pid") != Some(new))
        });
        let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
        let pids = namespaces.iter_mut().find(|namespace| namespace["type"] == "pid");
        pids.unwrap()["path"] = json!(place);
        bundle.script("sleep 1000 & sleep 1000 & echo both; wait");
        bundle.create().ok();
        bundle.verb("start").ok();
        wait_until("output", || bundle.output() == "both\n");
        bundle.call(&["kill", &bundle.id, "KILL"]).ok();
        let group = bundle.cgroup("pids").join("cgroup.procs");
        wait_until("the end of all", || fs::read_to_string(&group).is_ok_and(|pids| pids.is_empty()));
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        other.kill().unwrap();
        other.wait().unwrap();
    }
}

on_both! {
    fn preserved_descriptors_reach_the_program(bundle: &mut Bundle) {
        bundle.script("echo hello >&3");
        bundle.write_config();
        let output = bundle.command(&["run", "--preserve-fds", "1", &bundle.id]);
        let file = bundle.path().join("three");
        let line = format!("exec \"$0\" \"$@\" 3>{}", file.display());
        let status = std::process::Command::new("sh")
            .current_dir(bundle.path())
            .arg("-c")
            .arg(line)
            .arg(output.get_program())
            .args(output.get_args())
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(fs::read_to_string(file).unwrap(), "hello\n");
    }
}

/// The runtime can be killed at any instant; what it leaves can be deleted.
#[test]
fn a_create_that_was_killed_can_be_deleted() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        bundle.config["hooks"] =
            json!({"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"]}]});
        bundle.args(&["true"]);
        bundle.write_config();
        let mut child = bundle.command(&["create", &bundle.id]).spawn().unwrap();
        let group = bundle.cgroup("pids").join("cgroup.procs");
        wait_until("a process", || {
            fs::read_to_string(&group).is_ok_and(|pids| !pids.is_empty())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        bundle.verb("state").failed(1, "container does not exist");
    });
}
