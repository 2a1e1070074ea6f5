//! `docker -H ssh://`: the stock command line over a real SSH server, to a far end that has only
//! `gantry`, under the name `docker`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually, programs};

/// A server on loopback that is ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already if it could not start.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn key(path: &Path) {
    let mut keygen = Command::new("ssh-keygen");
    keygen
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path);
    assert!(keygen.status().expect("ssh-keygen runs").success());
}

/// Starts the server. It separates privileges by a user of its own, which this machine need not
/// have: it is given one in a mount namespace.
fn serve(engine: &Engine, dir: &Path) -> (Server, u16) {
    let far_bin = dir.join("bin");
    fs::create_dir(&far_bin).expect("a folder");
    let docker = match engine.kind() {
        Kind::Gantry => programs::ours("gantry"),
        Kind::Stock => programs::stock("docker"),
    };
    symlink(docker, far_bin.join("docker")).expect("a link");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host\nPidFile none\nUsePAM no\n\
         StrictModes no\nPermitRootLogin yes\nAuthorizedKeysFile {dir}/user.pub\n\
         SetEnv PATH={dir}/bin DOCKER_HOST=unix://{socket}\n",
        dir = dir.display(),
        socket = engine.socket().display()
    );
    fs::write(dir.join("sshd_config"), config).expect("a configuration");
    let passwd = "root:x:0:0:root:/root:/bin/sh\nsshd:x:65533:65534::/run/sshd:/bin/false\n";
    fs::write(dir.join("passwd"), passwd).expect("users");
    let script = "mount -t tmpfs run /run && mkdir /run/sshd && mount --bind \"$0/passwd\" \
        /etc/passwd && exec \"$1\" -D -e -f \"$0/sshd_config\"";
    let mut sshd = Command::new("unshare");
    sshd.args(["-m", "sh", "-c", script])
        .arg(dir)
        .arg(programs::sshd());
    let log = fs::File::create(dir.join("sshd.log")).expect("a log");
    let server = Server(
        sshd.stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd starts"),
    );
    eventually("sshd answers", Duration::from_secs(10), || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    (server, port)
}

#[test]
fn the_stock_command_line_reaches_the_engine_over_ssh() {
    let engine = Engine::start();
    let dir = engine.dir().join("ssh");
    fs::create_dir(&dir).expect("a folder");
    key(&dir.join("host"));
    key(&dir.join("user"));
    let (server, port) = serve(&engine, &dir);
    // ssh reads its configuration from the user's home in the user database: a test brings its own.
    let near_bin = dir.join("near");
    fs::create_dir(&near_bin).expect("a folder");
    let config = format!(
        "IdentityFile {}\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n",
        dir.join("user").display()
    );
    fs::write(dir.join("ssh_config"), config).expect("a configuration");
    let ssh = format!(
        "#!/bin/sh\nexec /usr/bin/ssh -F {}/ssh_config \"$@\"\n",
        dir.display()
    );
    fs::write(near_bin.join("ssh"), ssh).expect("a wrapper");
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(near_bin.join("ssh"), executable).expect("an executable wrapper");
    let path = format!(
        "{}:{}",
        near_bin.display(),
        std::env::var("PATH").expect("a PATH")
    );
    let docker = |args: &[&str]| {
        let host = format!("ssh://root@127.0.0.1:{port}");
        let mut command = engine.docker().command(&[&["-H", &host], args].concat());
        let output = command.env("PATH", &path).output().expect("docker runs");
        let log = fs::read_to_string(dir.join("sshd.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {text}\n{log}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    };
    assert_eq!(
        docker(&["run", "--rm", BUSYBOX, "echo", "far away"]),
        "far away"
    );
    assert_eq!(docker(&["ps", "-aq"]), "");
    drop(server);
    engine.finish();
}
