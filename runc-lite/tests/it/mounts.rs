//! The root file system and what is mounted in it; also by images that mean ill.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::harness::{Bundle, Runtime, on_both};

on_both! {
    fn docker_s_mounts_are_there(bundle: &mut Bundle) {
        let mounts = bundle.run_script("cat /proc/self/mounts");
        for (path, words) in [
            ("/proc", "proc rw,nosuid,nodev,noexec"),
            ("/dev", "tmpfs rw,nosuid"),
            ("/dev/pts", "devpts rw,nosuid,noexec"),
            ("/sys", "sysfs ro,nosuid,nodev,noexec"),
            ("/dev/mqueue", "mqueue rw,nosuid,nodev,noexec"),
            ("/dev/shm", "tmpfs rw,nosuid,nodev,noexec"),
            ("/proc/sys", "proc ro"),
        ] {
            let found = mounts.lines().any(|line| line.contains(&format!(" {path} {words}")));
            assert!(found, "{path} {words} in {mounts}");
        }
    }
}

on_both! {
    fn default_devices_and_links_are_there(bundle: &mut Bundle) {
        let script = "cd /dev; for i in null zero full random urandom tty; do stat -c '%n %t:%T %a %F' $i; done; \
            for i in fd stdin stdout stderr ptmx; do readlink $i; done";
        let output = bundle.run_script(script);
        let expected = "null 1:3 666 character special file\nzero 1:5 666 character special file\n\
            full 1:7 666 character special file\nrandom 1:8 666 character special file\n\
            urandom 1:9 666 character special file\ntty 5:0 666 character special file\n\
            /proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n";
        assert_eq!(output, expected);
    }
}

on_both! {
    fn binds_show_the_host(bundle: &mut Bundle) {
        let host = bundle.path().join("host");
        fs::create_dir(&host).unwrap();
        fs::write(host.join("file"), "hello\n").unwrap();
        let source = host.to_str().unwrap();
        bundle.mount(json!({"destination": "/deep/rw", "type": "bind", "source": source, "options": ["rbind", "rprivate"]}));
        bundle.mount(json!({"destination": "/ro", "type": "bind", "source": source, "options": ["bind", "ro"]}));
        bundle.mount(json!({"destination": "/etc/one", "type": "bind", "source": format!("{source}/file"), "options": ["bind"]}));
        let output = bundle.run_script(
            "cat /deep/rw/file /ro/file /etc/one; echo new > /deep/rw/new; echo no > /ro/no || echo refused",
        );
        assert_eq!(output, "hello\nhello\nhello\nrefused\n");
        assert_eq!(fs::read_to_string(host.join("new")).unwrap(), "new\n");
    }
}

on_both! {
    fn options_become_flags(bundle: &mut Bundle) {
        let host = bundle.path().join("host");
        fs::create_dir(&host).unwrap();
        let source = host.to_str().unwrap();
        bundle.mount(json!({"destination": "/t", "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "noexec", "noatime", "size=64k", "mode=700"]}));
        bundle.mount(json!({"destination": "/b", "type": "bind", "source": source,
            "options": ["bind", "nosuid", "nodev", "noexec", "rslave"]}));
        let output = bundle.run_script("grep -E ' /(t|b) ' /proc/self/mountinfo; stat -c %a /t");
        let lines: Vec<&str> = output.lines().collect();
        assert!(lines[0].contains("rw,nosuid,noexec,noatime") && lines[0].contains("size=64k"), "{output}");
        assert!(lines[1].contains("rw,nosuid,nodev,noexec"), "{output}");
        assert_eq!(lines[2], "700");
    }
}

on_both! {
    fn a_read_only_root_is(bundle: &mut Bundle) {
        bundle.config["root"]["readonly"] = json!(true);
        let output = bundle.run_script("touch /x 2>/dev/null || echo refused; touch /dev/shm/x && echo shm");
        assert_eq!(output, "refused\nshm\n");
    }
}

on_both! {
    fn masked_and_read_only_paths_are(bundle: &mut Bundle) {
        fs::create_dir(bundle.rootfs().join("secret")).unwrap();
        fs::write(bundle.rootfs().join("secret/inside"), "x").unwrap();
        fs::write(bundle.rootfs().join("secret-file"), "x").unwrap();
        fs::write(bundle.rootfs().join("fixed"), "x\n").unwrap();
        bundle.config["linux"]["maskedPaths"] = json!(["/secret", "/secret-file", "/not/there"]);
        bundle.config["linux"]["readonlyPaths"] = json!(["/fixed", "/not/there/either"]);
        let output = bundle.run_script(
            "ls /secret; touch /secret/y 2>/dev/null || echo refused; cat /secret-file; cat /fixed; \
             echo y 2>/dev/null > /fixed || echo refused",
        );
        assert_eq!(output.replace("sh: can't create /fixed: Read-only file system\n", ""), "refused\nx\nrefused\n");
    }
}

on_both! {
    fn sysctls_are_set(bundle: &mut Bundle) {
        bundle.config["linux"]["sysctl"] = json!({
            "net.ipv4.ip_unprivileged_port_start": "7", "kernel.msgmax": "9000",
        });
        let output = bundle.run_script(
            "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax",
        );
        assert_eq!(output, "7\n9000\n");
    }
}

on_both! {
    fn links_in_an_image_lead_nowhere(bundle: &mut Bundle) {
        // The image says /data is the host's directory: both as a path and by climbing.
        let host = bundle.path().join("victim");
        fs::create_dir(&host).unwrap();
        let source = bundle.path().join("source");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("mark"), "x").unwrap();
        symlink(&host, bundle.rootfs().join("absolute")).unwrap();
        symlink("../../../../../../../../../../../..", bundle.rootfs().join("climb")).unwrap();
        symlink("loop", bundle.rootfs().join("loop")).unwrap();
        let source = source.to_str().unwrap();
        let climb = format!("/climb{}/b", host.display());
        for destination in ["/absolute/a", climb.as_str()] {
            bundle.mount(json!({"destination": destination, "type": "bind", "source": source, "options": ["bind"]}));
        }
        let inside = host.to_str().unwrap();
        let output = bundle.run_script(&format!("cat {inside}/a/mark {inside}/b/mark"));
        assert_eq!(output, "xx");
        assert_eq!(fs::read_dir(&host).unwrap().count(), 0, "the host's directory was touched");
    }
}

on_both! {
    fn proc_cannot_be_covered(bundle: &mut Bundle) {
        let source = bundle.path().to_str().unwrap().to_owned();
        bundle.mount(json!({"destination": "/proc/self", "type": "bind", "source": source, "options": ["bind"]}));
        let output = bundle.create();
        assert_eq!(output.code, 1);
        assert!(output.errors[0].contains("inside /proc"), "{output:?}");
    }
}

/// `/proc` as a link would put a tmpfs of the image's where the kernel is expected.
#[test]
fn proc_cannot_be_a_link() {
    for name in ["proc", "sys"] {
        Bundle::with(Runtime::RuncLite, |bundle| {
            fs::remove_dir(bundle.rootfs().join(name)).unwrap();
            symlink("tmp", bundle.rootfs().join(name)).unwrap();
            bundle.args(&["true"]);
            assert_eq!(bundle.run().code, 1, "/{name}");
        });
    }
}

#[test]
fn devices_of_an_image_are_not_taken_for_the_real_ones() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        // No tmpfs on /dev: the nodes are made in the image itself, which has a file there already.
        bundle.config["mounts"]
            .as_array_mut()
            .unwrap()
            .retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
        fs::write(bundle.rootfs().join("dev/null"), "").unwrap();
        bundle.args(&["true"]);
        let output = bundle.run();
        assert_eq!(output.code, 1);
        assert!(
            output.errors[0].ends_with("/dev/null exists and is another device"),
            "{output:?}"
        );
    });
}

#[test]
fn tmpcopyup_fills_a_tmpfs() {
    Bundle::with(Runtime::RuncLite, |bundle| {
        fs::create_dir_all(bundle.rootfs().join("data/sub")).unwrap();
        fs::write(bundle.rootfs().join("data/sub/file"), "kept\n").unwrap();
        symlink("sub/file", bundle.rootfs().join("data/link")).unwrap();
        bundle.mount(json!({"destination": "/data", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup"]}));
        let output = bundle.run_script("cat /data/link; echo more >> /data/sub/file");
        assert_eq!(output, "kept\n");
        assert_eq!(
            fs::read_to_string(bundle.rootfs().join("data/sub/file")).unwrap(),
            "kept\n"
        );
    });
}

on_both! {
    fn shared_mounts_reach_the_host_and_leave_it_whole(bundle: &mut Bundle) {
        let host = bundle.path().join("host");
        fs::create_dir_all(host.join("inner")).unwrap();
        let path = host.to_str().unwrap().to_owned();
        let mount = |args: &[&str]| {
            assert!(std::process::Command::new("mount").args(args).status().unwrap().success());
        };
        mount(&["-t", "tmpfs", "none", &path]);
        mount(&["--make-shared", &path]);
        let unmount = || drop(std::process::Command::new("umount").arg("-R").arg(&path).status());
        fs::create_dir(host.join("inner")).unwrap();
        // Mounts of other tests come and go meanwhile; these stay, or the machine is of no use any more.
        let lasting = || {
            let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
            let points = text.lines().filter_map(|line| line.split(' ').nth(4));
            let kept = |point: &&str| ["/", "/proc", "/dev"].contains(point) || point.starts_with("/sys");
            points.filter(kept).map(str::to_owned).collect::<Vec<String>>()
        };
        let before = lasting();
        bundle.config["linux"]["rootfsPropagation"] = json!("shared");
        bundle.config["linux"].as_object_mut().unwrap().remove("seccomp");
        for set in ["bounding", "effective", "permitted"] {
            bundle.config["process"]["capabilities"][set].as_array_mut().unwrap().push(json!("CAP_SYS_ADMIN"));
        }
        bundle.mount(json!({"destination": "/x", "type": "bind", "source": path, "options": ["bind", "rshared"]}));
        bundle.script("mount -t tmpfs none /x/inner && echo mounted");
        let output = bundle.run();
        let seen = fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&format!("{path}/inner "));
        let after = lasting();
        unmount();
        assert_eq!(output.ok().stdout, "mounted\n");
        assert!(seen, "the container's mount does not show on the host");
        assert!(before.iter().all(|point| after.contains(point)), "{before:?} before, {after:?} after");
    }
}

/// A folder with files of three owners.
fn owned_folder(bundle: &Bundle) -> String {
    use std::os::unix::fs::{PermissionsExt, chown};
    let host = bundle.path().join("owned");
    fs::create_dir(&host).unwrap();
    fs::set_permissions(&host, fs::Permissions::from_mode(0o777)).unwrap();
    // Nobody makes a file in a folder whose owner is not mapped.
    chown(&host, Some(1234), Some(2345)).unwrap();
    for (name, uid, gid) in [("one", 1234, 2345), ("two", 1240, 2345), ("other", 7, 7)] {
        fs::write(host.join(name), "x").unwrap();
        chown(host.join(name), Some(uid), Some(gid)).unwrap();
    }
    host.to_str().unwrap().to_owned()
}

const OWNERS: &str = "cd /m; stat -c '%n %u:%g' one two other";

on_both! {
    fn owners_of_a_mount_are_mapped_by_ranges(bundle: &mut Bundle) {
        use std::os::unix::fs::MetadataExt;
        let source = owned_folder(bundle);
        bundle.mount(json!({"destination": "/m", "type": "bind", "source": source, "options": ["rbind", "rprivate"],
            "uidMappings": [{"containerID": 1234, "hostID": 0, "size": 1}, {"containerID": 1240, "hostID": 500, "size": 10}],
            "gidMappings": [{"containerID": 2340, "hostID": 0, "size": 10}]}));
        let script = format!("{OWNERS}; touch made; chown 505:3 made && stat -c '%n %u:%g' made");
        let output = bundle.run_script(&script);
        assert_eq!(output, "one 0:5\ntwo 500:5\nother 65534:65534\nmade 505:3\n");
        let made = fs::metadata(format!("{source}/made")).unwrap();
        assert_eq!((made.uid(), made.gid()), (1245, 2343));
    }
}

on_both! {
    fn an_id_mapped_mount_is_of_itself_or_of_all_beneath(bundle: &mut Bundle) {
        use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
        let source = owned_folder(bundle);
        let beneath = format!("{source}/beneath");
        fs::create_dir(&beneath).unwrap();
        mount("tmpfs", beneath.as_str(), "tmpfs", MountFlags::empty(), Some(c"uid=1234,gid=2345,mode=0755")).unwrap();
        let maps = json!([{"containerID": 1234, "hostID": 0, "size": 2000}]);
        for (word, at) in [("idmap", "/flat"), ("ridmap", "/all")] {
            bundle.mount(json!({"destination": at, "type": "bind", "source": source, "options": ["rbind", word],
                "uidMappings": maps, "gidMappings": maps}));
        }
        let output = bundle.run_script("stat -c '%n %u:%g' /flat/one /flat/beneath /all/one /all/beneath");
        unmount(beneath.as_str(), UnmountFlags::DETACH).unwrap();
        let flat = "/flat/one 0:1111\n/flat/beneath 1234:2345\n";
        assert_eq!(output, format!("{flat}/all/one 0:1111\n/all/beneath 0:1111\n"));
    }
}

on_both! {
    fn a_mount_is_mapped_by_the_container_s_own_user_namespace(bundle: &mut Bundle) {
        use std::os::unix::fs::{PermissionsExt, chown};
        let source = owned_folder(bundle);
        let linux = &mut bundle.config["linux"];
        linux["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        linux["uidMappings"] = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        linux["gidMappings"] = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        linux["sysctl"] = json!({});
        bundle.config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "cgroup");
        for directory in [bundle.path().to_owned(), bundle.rootfs()] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for name in ["", "tmp", "proc", "dev", "sys"] {
            chown(bundle.rootfs().join(name), Some(100_000), Some(100_000)).unwrap();
        }
        bundle.mount(json!({"destination": "/m", "type": "bind", "source": source, "options": ["bind", "idmap"]}));
        assert_eq!(bundle.run_script(OWNERS), "one 1234:2345\ntwo 1240:2345\nother 7:7\n");
    }
}

on_both! {
    fn mappings_of_a_mount_that_cannot_be_are_refused(bundle: &mut Bundle) {
        let source = owned_folder(bundle);
        let maps = json!([{"containerID": 0, "hostID": 1, "size": 1}]);
        let mounts = bundle.config["mounts"].clone();
        for (wrong, why) in [
            (json!({"type": "bind", "source": source, "options": ["bind"], "uidMappings": maps}), "both uid and gid mappings"),
            (json!({"type": "bind", "source": source, "options": ["bind", "idmap"]}), "both uid and gid mappings"),
            (json!({"type": "tmpfs", "source": "tmpfs", "uidMappings": maps, "gidMappings": maps}), "only supported for bind-mounts"),
            (json!({"type": "bind", "source": "/proc/sys", "options": ["bind"], "uidMappings": maps, "gidMappings": maps}), "invalid argument"),
        ] {
            bundle.config["mounts"] = mounts.clone();
            let mut mount = wrong.clone();
            mount["destination"] = json!("/m");
            bundle.mount(mount);
            bundle.script("true");
            let output = bundle.run();
            assert_eq!(output.code, 1, "{wrong}: {output:?}");
            assert!(output.errors.concat().to_lowercase().contains(why), "{wrong}: {output:?}");
        }
    }
}
