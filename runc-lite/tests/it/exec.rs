//! More processes in a container that runs.

use std::fs;

use serde_json::json;

use crate::harness::{Bundle, Runtime, on_both, wait_until};

on_both! {
    fn output_and_code_come_back(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let output = bundle.exec("echo out; echo err >&2; exit 5");
        assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (5, "out\n", "err\n"));
    }
}

on_both! {
    fn it_is_in_the_container(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let script = "cat /proc/1/comm; hostname; readlink /proc/self/ns/net; cat /proc/self/cgroup";
        let output = bundle.exec(script).ok().stdout;
        let mut lines = output.lines();
        assert_eq!(lines.next(), Some("sleep"));
        assert_eq!(lines.next(), Some("container"));
        let ours = fs::read_link("/proc/self/ns/net").unwrap();
        assert_ne!(lines.next(), ours.to_str());
        let group = bundle.config["linux"]["cgroupsPath"].as_str().unwrap();
        let memory = lines.find(|line| line.contains("memory") || line.starts_with("0::")).unwrap();
        assert!(memory.ends_with(group), "{memory}");
    }
}

on_both! {
    fn failures_are_told(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let exec = |args: &[&str]| bundle.call(&[&["exec"], args].concat());
        let failed = "exec failed: unable to start container process: ";
        exec(&[&bundle.id, "nosuch"])
            .failed(255, &format!("{failed}exec: \"nosuch\": executable file not found in $PATH"));
        exec(&[&bundle.id, "/etc"]).failed(255, &format!("{failed}exec: \"/etc\": is a directory"));
        exec(&["--cwd", "/nope", &bundle.id, "true"]).failed(
            255,
            &format!("{failed}chdir to cwd (\"/nope\") set in config.json failed: no such file or directory"),
        );
    }
}

on_both! {
    fn flags_change_the_process(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let args = ["exec", "--user", "1000:1001", "--additional-gids", "7", "--cwd", "/tmp", "-e", "A=b", &bundle.id];
        let script = "id -u; id -g; id -G; pwd; echo $A $HOME; grep CapEff /proc/self/status";
        let output = bundle.call(&[&args[..], &["sh", "-c", script]].concat()).ok().stdout;
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(&lines[..2], ["1000", "1001"]);
        assert!(lines[2].contains('7'), "{output}");
        assert_eq!(&lines[3..5], ["/tmp", "b /home/user"]);
    }
}

on_both! {
    fn a_process_file_says_it_all(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let mut process = bundle.config["process"].clone();
        process["args"] = json!(["sh", "-c", "echo $X > /tmp/x; exec sleep 1000"]);
        process["env"].as_array_mut().unwrap().push(json!("X=y"));
        fs::write(bundle.path().join("process.json"), process.to_string()).unwrap();
        let id = bundle.id.clone();
        let args = ["exec", "--process", "process.json", "--detach", "--pid-file", "exec.pid", &id];
        let nowhere = std::process::Stdio::null;
        let status = bundle.command(&args).stdin(nowhere()).stdout(nowhere()).stderr(nowhere()).status();
        assert!(status.unwrap().success());
        let written = bundle.rootfs().join("tmp/x");
        wait_until("the process", || fs::read_to_string(&written).is_ok_and(|text| text == "y\n"));
        let pid: i64 = fs::read_to_string(bundle.path().join("exec.pid")).unwrap().parse().unwrap();
        let pids = bundle.call(&["ps", "--format", "json", &id]).ok().stdout;
        let pids: Vec<i64> = serde_json::from_str(&pids).unwrap();
        assert!(pids.contains(&pid) && pids.len() == 2, "{pids:?} {pid}");
    }
}

on_both! {
    fn descriptors_of_the_runtime_do_not_get_in(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let output = bundle.exec("ls /proc/$$/fd; true").ok().stdout;
        assert_eq!(output, "0\n1\n2\n");
    }
}

on_both! {
    fn a_signal_is_forwarded(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let mut child = bundle
            .command(&["exec", &bundle.id, "sh", "-c", "trap 'exit 3' TERM; echo > /tmp/ready; while :; do sleep 0.1; done"])
            .spawn()
            .unwrap();
        wait_until("the trap", || bundle.rootfs().join("tmp/ready").exists());
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }
}
