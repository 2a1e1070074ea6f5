//! Debian's `docker-registry` as a process of the test's own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A registry on a loopback port. Killed when dropped.
pub(crate) struct PeerRegistry {
    child: Child,
    pub(crate) port: u16,
    _dir: tempfile::TempDir,
}

/// How a registry is set up beside its storage and its port.
#[derive(Default)]
pub(crate) struct Setup {
    /// A line of `htpasswd`.
    pub(crate) htpasswd: Option<&'static str>,
    /// Certificate and key.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    /// `realm`, `service`, `issuer` and the issuer's certificates.
    pub(crate) token: Option<(String, PathBuf)>,
}

impl PeerRegistry {
    pub(crate) fn start() -> Self {
        Self::with(&Setup::default())
    }

    pub(crate) fn with(setup: &Setup) -> Self {
        // The port is free when it is looked for; another test may take it, then the next is tried.
        for _ in 0..20 {
            if let Some(started) = Self::try_start(setup) {
                return started;
            }
        }
        panic!("docker-registry does not start: is it installed (cargo xtask test)?");
    }

    fn try_start(setup: &Setup) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("a free port")
            .local_addr()
            .expect("its address")
            .port();
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {dir}}}, delete: {{enabled: true}}}}\n\
             http:\n  addr: 127.0.0.1:{port}\n",
            dir = dir.path().join("data").display()
        );
        if let Some((certificate, key)) = &setup.tls {
            config += &format!(
                "  tls: {{certificate: {}, key: {}}}\n",
                certificate.display(),
                key.display()
            );
        }
        if let Some(line) = setup.htpasswd {
            let file = dir.path().join("htpasswd");
            std::fs::write(&file, line).expect("a password file");
            config += &format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
                file.display()
            );
        }
        if let Some((realm, bundle)) = &setup.token {
            config += &format!(
                "auth: {{token: {{realm: \"{realm}\", service: test, issuer: test, rootcertbundle: {}}}}}\n",
                bundle.display()
            );
        }
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config).expect("a configuration");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is installed (cargo xtask test)");
        let mut registry = Self {
            child,
            port,
            _dir: dir,
        };
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(registry);
            }
            if registry.child.try_wait().expect("its state").is_some() {
                return None;
            }
            std::thread::yield_now();
        }
        None
    }

    /// `127.0.0.1:port/path`.
    pub(crate) fn name(&self, path: &str) -> String {
        format!("127.0.0.1:{}/{path}", self.port)
    }
}

impl Drop for PeerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
