//! What a container may not do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use crate::harness::{Bundle, Runtime, on_both, wait_until};

on_both! {
    fn capabilities_are_the_configured_ones(bundle: &mut Bundle) {
        bundle.config["process"]["capabilities"] = json!({
            "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
            "effective": ["CAP_CHOWN"],
            "permitted": ["CAP_CHOWN", "CAP_NET_BIND_SERVICE"],
            "inheritable": ["CAP_NET_BIND_SERVICE"],
            "ambient": ["CAP_NET_BIND_SERVICE"],
        });
        bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        let output = bundle.run_script("grep ^Cap /proc/self/status");
        let expected = "CapInh:\t0000000000000400\nCapPrm:\t0000000000000400\nCapEff:\t0000000000000400\n\
            CapBnd:\t0000000000000421\nCapAmb:\t0000000000000400\n";
        assert_eq!(output, expected);
    }
}

on_both! {
    fn user_groups_and_umask(bundle: &mut Bundle) {
        bundle.config["process"]["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 6], "umask": 0o27});
        let output = bundle.run_script("id -u; id -g; id -G; umask; echo $HOME");
        assert_eq!(output, "1000\n1001\n1001 5 6\n0027\n/home/user\n");
    }
}

on_both! {
    fn privileges_cannot_be_gained(bundle: &mut Bundle) {
        bundle.config["process"]["noNewPrivileges"] = json!(true);
        let output = bundle.run_script("grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status");
        assert_eq!(output, "NoNewPrivs:\t1\nSeccomp:\t2\n");
    }
}

on_both! {
    fn docker_s_filter_filters(bundle: &mut Bundle) {
        // mount is not in the profile; chmod is; a call nobody knows is ENOSYS, told by its errno.
        let output = bundle.run_script(
            "mount -t tmpfs none /tmp 2>&1 | tr 'O' 'o'; chmod 700 /tmp && echo chmod",
        );
        assert!(output.contains("denied") && output.ends_with("chmod\n"), "{output}");
    }
}

on_both! {
    fn limits_are_set(bundle: &mut Bundle) {
        bundle.config["process"]["rlimits"] = json!([
            {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
            {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        ]);
        bundle.config["process"]["oomScoreAdj"] = json!(321);
        let output = bundle.run_script("ulimit -Sn; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj");
        assert_eq!(output, "100\n200\n0\n321\n");
    }
}

on_both! {
    fn descriptors_do_not_leak(bundle: &mut Bundle) {
        assert_eq!(bundle.run_script("ls /proc/$$/fd; true"), "0\n1\n2\n");
    }
}

on_both! {
    fn a_working_directory_of_the_host_is_refused(bundle: &mut Bundle) {
        // CVE-2024-21626: a descriptor of the runtime as a way to the host.
        for fd in 3..12 {
            bundle.config["process"]["cwd"] = json!(format!("/proc/self/fd/{fd}"));
            bundle.args(&["ls"]);
            let output = bundle.run();
            assert_ne!(output.code, 0, "{fd}: {output:?}");
        }
    }
}

on_both! {
    fn a_program_of_the_host_is_not_reached(bundle: &mut Bundle) {
        for fd in 3..12 {
            let path = format!("/proc/self/fd/{fd}/../../../../../../../bin/ls");
            bundle.args(&[&path, "/"]);
            assert_ne!(bundle.run().code, 0, "{path}");
        }
    }
}

on_both! {
    fn the_runtime_s_own_binary_is_out_of_reach(bundle: &mut Bundle) {
        // CVE-2019-5736: the container's program is the runtime itself.
        symlink("/proc/self/exe", bundle.rootfs().join("self")).unwrap();
        let script = bundle.rootfs().join("hashbang");
        fs::write(&script, "#!/proc/self/exe --version\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        for program in ["/self", "/hashbang"] {
            bundle.args(&[program]);
            // Whatever happens, it is not the host's file that runs writable: looked at below.
            let _output = bundle.run();
        }
        bundle.config["linux"].as_object_mut().unwrap().remove("seccomp");
        bundle.start_sleeping();
        let output = bundle.exec("for p in /proc/[0-9]*; do test -w $p/exe && readlink $p/exe; done; true").ok();
        assert!(!output.stdout.contains("runc"), "{output:?}");
    }
}

/// While a process is being made it runs from a view of the binary that cannot be written.
#[test]
fn a_waiting_process_runs_from_a_read_only_file() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        bundle.args(&["true"]);
        bundle.create().ok();
        let exe = format!("/proc/{}/exe", bundle.state()["pid"]);
        let flags = rustix::fs::statvfs(exe).unwrap().f_flag;
        assert!(
            flags.contains(rustix::fs::StatVfsMountFlags::RDONLY),
            "{flags:?}"
        );
        let status = fs::metadata(format!("/proc/{}/fd", bundle.state()["pid"])).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&status), 0);
    });
}

on_both! {
    fn a_user_namespace_maps_root(bundle: &mut Bundle) {
        let linux = &mut bundle.config["linux"];
        linux["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        linux["uidMappings"] = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        linux["gidMappings"] = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        linux["sysctl"] = json!({});
        let mounts = bundle.config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| mount["type"] != "cgroup");
        for directory in [bundle.path().to_owned(), bundle.rootfs()] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for name in ["", "tmp", "proc", "dev", "sys"] {
            std::os::unix::fs::chown(bundle.rootfs().join(name), Some(100_000), Some(100_000)).unwrap();
        }
        let output = bundle.run_script(
            "id -u; cat /proc/self/uid_map | tr -s ' '; touch /tmp/x && stat -c %u /tmp/x; stat -c %F /dev/null",
        );
        assert_eq!(output, "0\n 0 100000 65536\n0\ncharacter special file\n");
        bundle.start_sleeping();
        assert_eq!(bundle.exec("id -u; cat /proc/1/comm").ok().stdout, "0\nsleep\n");
        let owner = fs::metadata(bundle.rootfs().join("tmp/x")).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::uid(&owner), 100_000);
    }
}

on_both! {
    fn namespaces_can_be_joined(bundle: &mut Bundle) {
        bundle.start_sleeping();
        let first = bundle.id.clone();
        let pid = bundle.state()["pid"].clone();
        let link = |kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        let (net, pids) = (link("net"), link("pid"));
        bundle.id = format!("{first}b");
        bundle.config["linux"]["cgroupsPath"] = json!(format!("/runc-lite-it/{}", bundle.id));
        bundle.config["linux"]["sysctl"] = json!({});
        for namespace in bundle.config["linux"]["namespaces"].as_array_mut().unwrap() {
            let name = match namespace["type"].as_str().unwrap() {
                "network" => "net",
                "pid" => "pid",
                "ipc" => "ipc",
                _ => continue,
            };
            namespace["path"] = json!(format!("/proc/{pid}/ns/{name}"));
        }
        let output = bundle.run_script("readlink /proc/self/ns/net; readlink /proc/self/ns/pid; cat /proc/1/comm");
        assert_eq!(output, format!("{}\n{}\nsleep\n", net.display(), pids.display()));
        bundle.call(&["delete", "--force", &first]).ok();
    }
}

on_both! {
    /// The root is set up and changed in that namespace, for whoever else is in it too: as runc does.
    fn a_mount_namespace_can_be_joined(bundle: &mut Bundle) {
        let link = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
        let mut keeper = std::process::Command::new("unshare").args(["-m", "sleep", "1000"]).spawn().unwrap();
        let pid = keeper.id().to_string();
        wait_until("a mount namespace", || link(&pid) != link("self"));
        let expected = link(&pid);
        for namespace in bundle.config["linux"]["namespaces"].as_array_mut().unwrap() {
            if namespace["type"] == "mount" {
                namespace["path"] = json!(format!("/proc/{pid}/ns/mnt"));
            }
        }
        bundle.script("readlink /proc/self/ns/mnt; cat /etc/passwd | grep -c user");
        let output = bundle.run();
        keeper.kill().unwrap();
        keeper.wait().unwrap();
        assert_eq!(output.ok().stdout, format!("{}\n1\n", expected.display()));
    }
}

/// A number that the caller did not open must not be given a descriptor of the runtime's.
#[test]
fn only_the_caller_s_descriptors_are_preserved() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        bundle.args(&["true"]);
        bundle.write_config();
        let output = bundle.call(&["run", "--preserve-fds", "1", &bundle.id]);
        output.failed(1, "runc run failed: preserved descriptor 3 is not open");
    });
}

/// A root file system that cannot be pivoted to.
#[test]
fn a_root_can_be_moved_instead_of_pivoted() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        bundle.script("ls /; ls -d /proc/1/root/bin");
        bundle.write_config();
        let output = bundle.call(&["run", "--no-pivot", &bundle.id]).ok();
        assert_eq!(
            output.stdout,
            "bin\ndev\netc\nproc\nsys\ntmp\n/proc/1/root/bin\n"
        );
    });
}
