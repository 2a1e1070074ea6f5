//! Debian's `docker-registry`, beside the engine that asks it.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use integration_tests::{Engine, eventually};

/// A registry in an engine's network namespace. Killed when dropped.
pub(super) struct Registry(Child);

impl Registry {
    /// Over the folder `data`, at `port` of 127.0.0.1.
    pub(super) fn start(engine: &Engine, data: &Path, port: u16) -> Self {
        let config = engine.dir().join(format!("registry-{port}.yml"));
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"127.0.0.1:{port}\"}}\n",
            data.display()
        );
        std::fs::write(&config, text).expect("a configuration");
        let mut command = engine.on_host("docker-registry");
        command.arg("serve").arg(config);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let registry = Self(child.expect("docker-registry is installed"));
        let filter = format!(":{port}");
        eventually("the registry listens", Duration::from_secs(20), || {
            let mut look = engine.on_host("ss");
            let shown = look.args(["-Hltn", "sport", "=", &filter]).output();
            (!shown.expect("ss runs").stdout.is_empty()).then_some(())
        });
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
