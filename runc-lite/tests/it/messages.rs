//! Bad configurations: one error line, in runc's words, and nothing left.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::{Bundle, Runtime, on_both};

const INIT: &str =
    "runc create failed: unable to start container process: error during container init: ";

/// A change of the configuration, and the error of `create` after "runc create failed: ".
type Case = (fn(&mut Value), &'static str);

#[track_caller]
fn check(bundle: &mut Bundle, prefix: &str, cases: &[Case]) {
    let good = bundle.config.clone();
    for (change, error) in cases {
        bundle.config = good.clone();
        change(&mut bundle.config);
        bundle.create().failed(1, &format!("{prefix}{error}"));
        bundle.verb("state").failed(1, "container does not exist");
    }
}

on_both! {
    fn programs_that_cannot_be_run(bundle: &mut Bundle) {
        fs::write(bundle.rootfs().join("plain"), "x").unwrap();
        check(bundle, INIT, &[
            (|c| c["process"]["args"] = json!(["nosuch"]), "exec: \"nosuch\": executable file not found in $PATH"),
            (|c| c["process"]["args"] = json!(["/nosuch"]), "exec: \"/nosuch\": stat /nosuch: no such file or directory"),
            (|c| c["process"]["args"] = json!(["/etc"]), "exec: \"/etc\": is a directory"),
            (|c| c["process"]["args"] = json!(["/plain"]), "exec: \"/plain\": permission denied"),
            (|c| c["process"]["cwd"] = json!("/bin/busybox"), "mkdir /bin/busybox: not a directory"),
        ]);
    }
}

on_both! {
    fn a_program_the_kernel_refuses_ends_with_255(bundle: &mut Bundle) {
        let path = bundle.rootfs().join("bad");
        fs::write(&path, "garbage").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        bundle.args(&["/bad"]);
        let output = bundle.run();
        assert_eq!(output.code, 255);
        assert!(output.stderr.contains("exec /bad: exec format error"), "{output:?}");
    }
}

on_both! {
    fn configurations_that_make_no_sense(bundle: &mut Bundle) {
        check(bundle, "runc create failed: ", &[
            (|c| c["process"]["args"] = json!([]), "args must not be empty"),
            (|c| c["process"]["cwd"] = json!("x"), "Cwd must be an absolute path"),
            (|c| c["process"]["rlimits"] = json!([{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}]),
                "wrong rlimit value: RLIMIT_FOO"),
            (|c| c["linux"]["sysctl"] = json!({"kernel.foo": "1"}),
                "sysctl \"kernel.foo\" is not in a separate kernel namespace"),
            (|c| c["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "foo"})),
                "namespace {\"foo\" \"\"} does not exist"),
            (|c| c["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "pid"})),
                "malformed spec file: duplicated ns {\"pid\" \"\"}"),
            (|c| c["root"]["path"] = json!("/nosuch"), "invalid rootfs: stat /nosuch: no such file or directory"),
            (|c| c["linux"]["seccomp"]["syscalls"][0]["action"] = json!("SCMP_ACT_FOO"),
                "string SCMP_ACT_FOO is not a valid action for seccomp"),
            (|c| c["process"]["terminal"] = json!(true),
                "cannot allocate tty if runc will detach without setting console socket"),
        ]);
    }
}

on_both! {
    fn surroundings_that_cannot_be_had(bundle: &mut Bundle) {
        check(bundle, INIT, &[
            (|c| c["mounts"].as_array_mut().unwrap().push(
                json!({"destination": "/x", "type": "bind", "source": "/nosuch", "options": ["bind"]})),
                "failed to fulfil mount request: open /nosuch: no such file or directory"),
            (|c| c["hooks"] = json!({"prestart": [{"path": "/bin/false"}]}),
                "error running prestart hook #0: exit status 1, stdout: , stderr: "),
            (|c| c["hooks"] = json!({"createRuntime": [{"path": "/nosuch"}]}),
                "error running createRuntime hook #0: fork/exec /nosuch: no such file or directory"),
        ]);
    }
}

on_both! {
    fn an_unknown_file_system_is_named(bundle: &mut Bundle) {
        bundle.mount(json!({"destination": "/x", "type": "foofs", "source": "foo", "options": []}));
        let output = bundle.create();
        assert_eq!(output.code, 1);
        assert_eq!(output.errors.len(), 1, "{output:?}");
        let error = &output.errors[0];
        assert!(error.starts_with(&format!("{INIT}error mounting \"foo\" to rootfs at \"/x\": ")), "{error}");
        assert!(error.ends_with(": no such device"), "{error}");
    }
}

on_both! {
    fn ids_are_checked(bundle: &mut Bundle) {
        bundle.write_config();
        bundle.call(&["run", "a/b"]).failed(1, "runc run failed: invalid container ID format");
        bundle.call(&["run", ""]).failed(1, "runc run failed: container id cannot be empty");
    }
}

on_both! {
    fn a_raised_limit_is_an_error_without_the_right(bundle: &mut Bundle) {
        let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        let above = hard.map_or(1 << 20, |hard| hard + 1);
        bundle.config["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": above, "hard": above}]);
        bundle.script("true");
        let output = bundle.run();
        let may = rustix::thread::capabilities(None).unwrap().effective
            .contains(rustix::thread::CapabilitySet::SYS_RESOURCE);
        if may {
            output.ok();
        } else {
            let text = "error setting rlimits for ready process: error setting rlimit type 7: operation not permitted";
            let error = format!("{}{text}", INIT.replace("create", "run"));
            output.failed(1, &error);
        }
    }
}

#[test]
fn absurd_sizes_are_refused_at_once() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        let mount = json!({"destination": "/x", "type": "tmpfs", "source": "tmpfs"});
        bundle.config["mounts"] = vec![mount; 100_000].into();
        bundle.create().failed(
            1,
            "runc create failed: mounts has 100000 entries, more than the 8192 that are accepted",
        );
        bundle.config["mounts"] = json!([]);
        bundle.config["junk"] = "x".repeat(17 << 20).into();
        let output = bundle.create();
        assert_eq!(output.code, 1);
        assert!(
            output.errors[0].ends_with("is longer than 16777216 bytes"),
            "{:?}",
            output.errors
        );
    });
}

#[test]
fn unknown_and_unavailable_capabilities_are_warnings() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        for set in ["bounding", "effective", "permitted"] {
            bundle.config["process"]["capabilities"][set] =
                json!(["CAP_CHOWN", "CAP_FOO", "CAP_SYS_RESOURCE"]);
        }
        bundle.script("grep CapEff /proc/self/status");
        let output = bundle.run().ok();
        assert_eq!(
            output.warnings[0],
            "ignoring unknown or unavailable capabilities: [CAP_FOO]"
        );
        let may = rustix::thread::capabilities(None)
            .unwrap()
            .effective
            .contains(rustix::thread::CapabilitySet::SYS_RESOURCE);
        let (warnings, caps) = if may {
            (1, "0000000001000001")
        } else {
            (2, "0000000000000001")
        };
        assert_eq!(output.warnings.len(), warnings, "{:?}", output.warnings);
        assert_eq!(output.stdout, format!("CapEff:\t{caps}\n"));
    });
}
