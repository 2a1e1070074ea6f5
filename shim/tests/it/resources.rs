//! Limits and what is told of them, freezing, roots that the shim mounts, and FIFOs.

use std::fs;
use std::io::{Read, Write};

use gantry_proto::containerd::task::v3::{
    CloseIoRequest, PauseRequest, ResumeRequest, StateRequest, StatsRequest, UpdateTaskRequest,
};
use gantry_proto::containerd::types::Mount;
use gantry_proto::containerd::v1::types::Status;
use gantry_proto::convert::any;
use gantry_proto::io::containerd::cgroups::v1::Metrics;
use rustix::fs::{CWD, FileType, Mode};

use crate::shim::Shim;

#[tokio::test]
async fn a_container_is_paused_resumed_measured_and_limited() {
    let mut shim = Shim::start(&["/bin/sleep", "1000"]).await;
    shim.create().await;
    shim.run().await;
    let id = shim.id.clone();
    shim.client
        .pause(PauseRequest { id: id.clone() })
        .await
        .unwrap();
    let state = StateRequest {
        id: id.clone(),
        exec_id: String::new(),
    };
    let status = shim
        .client
        .state(state)
        .await
        .unwrap()
        .into_inner()
        .status();
    assert_eq!(status, Status::Paused);
    shim.client
        .resume(ResumeRequest { id: id.clone() })
        .await
        .unwrap();
    let resources = br#"{"pids":{"limit":77}}"#.to_vec();
    let update = UpdateTaskRequest {
        id: id.clone(),
        resources: Some(any::pack_json(any::LINUX_RESOURCES, resources)),
        ..UpdateTaskRequest::default()
    };
    shim.client.update(update).await.unwrap();
    let stats = shim
        .client
        .stats(StatsRequest { id })
        .await
        .unwrap()
        .into_inner()
        .stats
        .unwrap();
    if any::is::<Metrics>(&stats) {
        let metrics: Metrics = any::unpack(&stats).unwrap();
        assert_eq!(metrics.pids.unwrap().limit, 77);
        assert!(metrics.memory.unwrap().usage.unwrap().usage > 0);
    }
    shim.supervisor
        .saw(&["create", "start", "paused", "resumed"])
        .await;
    shim.kill(9).await;
    shim.wait("").await;
    shim.finish().await;
}

#[tokio::test]
async fn a_kill_for_lack_of_memory_is_told_before_the_end() {
    let mut shim = Shim::start(&["/bin/sh", "-c", "read go; exec tail /dev/zero"]).await;
    let config = shim.bundle().join("config.json");
    let mut spec: serde_json::Value = serde_json::from_slice(&fs::read(&config).unwrap()).unwrap();
    let limit = 20 << 20;
    spec["linux"]["resources"]["memory"] = serde_json::json!({"limit": limit, "swap": limit});
    spec["mounts"][1]["options"] = serde_json::json!(["nosuid", "mode=755", "size=64k"]);
    fs::write(&config, spec.to_string()).unwrap();
    let uri = shim.uri();
    shim.create_with(&uri, true).await;
    shim.run().await;
    let (_control, mut stream) = shim.attach(gantry_stdio::Attach {
        stdin: true,
        ..gantry_stdio::Attach::default()
    });
    stream.write_all(b"go\n").unwrap();
    assert_eq!(shim.wait("").await, 137);
    shim.supervisor
        .saw(&["create", "start", "oom", "exit"])
        .await;
    shim.finish().await;
}

#[tokio::test]
async fn an_overlay_root_is_mounted_for_the_container_and_taken_away() {
    let mut shim = Shim::start(&["/bin/cat", "/from-layer"]).await;
    let layers = shim.folder.path().join("layers");
    let path = layers.to_str().unwrap().to_owned();
    fs::create_dir(&layers).unwrap();
    rustix::mount::mount(
        "none",
        &layers,
        "tmpfs",
        rustix::mount::MountFlags::empty(),
        None,
    )
    .unwrap();
    for name in ["lower", "upper", "work"] {
        fs::create_dir(layers.join(name)).unwrap();
    }
    fs::write(layers.join("lower/from-layer"), "layered").unwrap();
    let uri = shim.uri().to_string();
    let mut request = shim.request(["", &uri, &uri]);
    request.rootfs = vec![Mount {
        r#type: "overlay".to_owned(),
        source: "overlay".to_owned(),
        options: vec![
            format!("lowerdir={path}/lower"),
            format!("upperdir={path}/upper"),
            format!("workdir={path}/work"),
        ],
        ..Mount::default()
    }];
    shim.client.create(request).await.unwrap();
    shim.run().await;
    assert_eq!(shim.wait("").await, 0);
    assert!(fs::read_to_string(shim.log()).unwrap().contains("layered"));
    shim.delete("").await;
    rustix::mount::unmount(&layers, rustix::mount::UnmountFlags::empty())
        .expect("the overlay no longer holds its layers");
    shim.client
        .shutdown(gantry_proto::containerd::task::v3::ShutdownRequest::default())
        .await
        .unwrap();
    shim.expect_nothing_left().await;
}

#[tokio::test]
async fn fifos_of_a_containerd_client_carry_the_streams() {
    let mut shim = Shim::start(&["/bin/sh", "-c", "cat; echo done >&2"]).await;
    let path = |name: &str| shim.folder.path().join(name);
    let names = ["in", "out", "err"].map(path);
    for name in &names {
        rustix::fs::mknodat(CWD, name, FileType::Fifo, Mode::RWXU, 0).unwrap();
    }
    let [stdin, stdout, stderr] = names.clone();
    let reading = |path: std::path::PathBuf| {
        std::thread::spawn(move || {
            let mut text = String::new();
            fs::File::open(path)
                .unwrap()
                .read_to_string(&mut text)
                .unwrap();
            text
        })
    };
    let (out, err) = (reading(stdout), reading(stderr));
    let request = shim.request(names.each_ref().map(|path| path.to_str().unwrap()));
    shim.client.create(request).await.unwrap();
    shim.run().await;
    fs::OpenOptions::new()
        .write(true)
        .open(stdin)
        .unwrap()
        .write_all(b"hello\n")
        .unwrap();
    let close = CloseIoRequest {
        id: shim.id.clone(),
        stdin: true,
        ..CloseIoRequest::default()
    };
    shim.client.close_io(close).await.unwrap();
    assert_eq!(shim.wait("").await, 0);
    assert_eq!(
        (out.join().unwrap(), err.join().unwrap()),
        ("hello\n".into(), "done\n".into())
    );
    shim.finish().await;
}
