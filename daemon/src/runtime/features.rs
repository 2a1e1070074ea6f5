//! What an OCI runtime says of itself (`RUNTIME features`, the runtime specification's features
//! document), for `/info`. Asked once for each program; a program that does not know the verb has
//! nothing to say.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{process::Command, sync::Mutex};

/// How long a runtime may take to answer.
const LIMIT: Duration = Duration::from_secs(2);
/// The largest answer that is believed, in bytes.
const ANSWER_MAX: usize = 1 << 20;

/// What a program has answered.
#[derive(Debug, Clone)]
struct Answer {
    /// When the program was last written: another one has other features.
    written: Option<SystemTime>,
    features: Option<String>,
}

/// The answers so far; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Features {
    known: Arc<Mutex<HashMap<PathBuf, Answer>>>,
}

impl Features {
    /// The features document of a runtime, on one line; none if it gives none.
    pub async fn of(&self, binary: &Path) -> Option<String> {
        let written = std::fs::metadata(binary)
            .and_then(|meta| meta.modified())
            .ok();
        // Held while one is asked: the callers after it wait for the answer instead of asking too.
        let mut known = self.known.lock().await;
        if let Some(answer) = known.get(binary)
            && answer.written == written
        {
            return answer.features.clone();
        }
        let features = ask(binary).await;
        let answer = Answer {
            written,
            features: features.clone(),
        };
        known.insert(binary.to_owned(), answer);
        features
    }
}

async fn ask(binary: &Path) -> Option<String> {
    let mut command = Command::new(binary);
    command.arg("features").stdin(Stdio::null());
    command.stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await.ok()?;
    let output = output.ok()?;
    if !output.status.success() || output.stdout.len() > ANSWER_MAX {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    value.is_object().then(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(dir: &Path, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join("runtime");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn a_runtime_is_asked_once() {
        let dir = tempfile::tempdir().unwrap();
        let script =
            "#!/bin/sh\necho asked >>$0.log\n[ \"$1\" = features ] && printf '{\"a\":\\n 1}'\n";
        let path = program(dir.path(), script);
        let features = Features::default();
        assert_eq!(features.of(&path).await.as_deref(), Some("{\"a\":1}"));
        assert_eq!(features.of(&path).await.as_deref(), Some("{\"a\":1}"));
        let log = std::fs::read_to_string(dir.path().join("runtime.log")).unwrap();
        assert_eq!(log, "asked\n");
    }

    #[tokio::test]
    async fn a_runtime_that_cannot_say_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let features = Features::default();
        assert_eq!(features.of(&dir.path().join("nosuch")).await, None);
        let path = program(dir.path(), "#!/bin/sh\nexit 1\n");
        assert_eq!(features.of(&path).await, None);
    }
}
