//! Hooks: which, when, with what.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{Bundle, Runtime, on_both, wait_until};

on_both! {
    fn all_six_run_in_order_with_the_state(bundle: &mut Bundle) {
        let log = bundle.path().join("hooks.log");
        let script = bundle.path().join("hook");
        // The pid namespace tells whether a hook is inside.
        fs::write(&script, format!("#!/bin/sh\necho \"$1 $(cat)\" >> {}\n", log.display())).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(bundle.rootfs().join("hook"), "#!/bin/sh\necho \"$1 $(cat)\" >> /tmp/inside\n").unwrap();
        fs::set_permissions(bundle.rootfs().join("hook"), fs::Permissions::from_mode(0o755)).unwrap();
        let hook = |name: &str| json!([{"path": script.to_str().unwrap(), "args": ["hook", name]}]);
        bundle.config["hooks"] = json!({
            "prestart": hook("prestart"),
            "createRuntime": hook("createRuntime"),
            "createContainer": hook("createContainer"),
            "startContainer": [{
                "path": "/hook", "args": ["hook", "startContainer"], "env": ["PATH=/bin"],
            }],
            "poststart": hook("poststart"),
            "poststop": hook("poststop"),
        });
        bundle.config["annotations"] = json!({"key": "value"});
        bundle.start_sleeping();
        // `start` answers once the process is let go, which runs this hook before its program.
        let inside = || fs::read_to_string(bundle.rootfs().join("tmp/inside")).unwrap_or_default();
        wait_until("the hook in the container", || inside().ends_with('\n'));
        assert!(inside().starts_with("startContainer {"), "{}", inside());
        bundle.call(&["delete", "--force", &bundle.id]).ok();
        let text = fs::read_to_string(&log).unwrap();
        let lines: Vec<(&str, Value)> = text
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(name, state)| (name, serde_json::from_str(state).unwrap()))
            .collect();
        let names: Vec<&str> = lines.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]);
        for (name, state) in &lines {
            assert_eq!(state["id"], bundle.id.as_str(), "{name}");
            assert_eq!(state["bundle"], bundle.path().to_str().unwrap());
            assert_eq!(state["annotations"]["key"], "value");
            assert_eq!(state["pid"].as_i64().unwrap_or(0) > 0, *name != "poststop", "{name} {state}");
        }
        let status: Vec<&str> = lines.iter().map(|(_, state)| state["status"].as_str().unwrap()).collect();
        assert_eq!(status[..3], ["creating"; 3]);
        // runc still says "created" where the specification wants "running".
        assert!(status[3] == "running" || bundle.runtime == Runtime::Runc, "{status:?}");
        assert_eq!(status[4], "stopped");
    }
}

on_both! {
    fn a_hook_has_its_time(bundle: &mut Bundle) {
        bundle.config["hooks"] =
            json!({"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]});
        let error = "runc create failed: unable to start container process: error during container init: \
            error running createRuntime hook #0: hook ran past specified timeout of 1s";
        let output = bundle.create();
        assert_eq!(output.code, 1);
        assert!(output.errors[0].starts_with(error.trim_end_matches("1s")), "{output:?}");
    }
}
