//! What stock clients are told when the runtime refuses to start a process: the text, and the exit
//! code that follows from its words. dockerd looks for the same words, in any case of letters, since
//! runtimes differ: runc says `no such file or directory`, crun `No such file or directory`.

/// The exit code of a start that failed for no reason of the request's.
pub const UNKNOWN: u32 = 128;
const NOT_FOUND: u32 = 127;
const NOT_EXECUTABLE: u32 = 126;

/// Words of errno that dockerd adds where clients would miss them.
const PERMISSION_DENIED: &str = "permission denied";
const MOUNT_HINT: &str = "Are you trying to mount a directory onto a file (or vice-versa)? Check if the \
                          specified host path exists and is the expected type";

/// A runtime's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// As dockerd shows it.
    pub message: String,
    /// 126, 127 or [`UNKNOWN`].
    pub exit_code: u32,
}

impl Refusal {
    /// Reads the runtime's text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let says = |words: &str| lower.contains(words);
        let message = text.to_owned();
        if says("is a directory") {
            return Self {
                message: format!("{message}: {PERMISSION_DENIED}"),
                exit_code: NOT_EXECUTABLE,
            };
        }
        if says("not a directory") {
            return Self {
                message: format!("{message}: {MOUNT_HINT}"),
                exit_code: NOT_FOUND,
            };
        }
        let exit_code = if says(PERMISSION_DENIED) {
            NOT_EXECUTABLE
        } else if says("executable file not found") || says("no such file or directory") {
            NOT_FOUND
        } else {
            UNKNOWN
        };
        Self { message, exit_code }
    }

    /// Whether the request asked for something impossible (400), rather than the engine failing (500).
    #[must_use]
    pub fn blames_request(&self) -> bool {
        self.exit_code != UNKNOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of runc 1.3 and crun 1.28, with what dockerd 28 made of them.
    #[test]
    fn codes_are_dockerds() {
        for (text, code) in [
            ("exec: \"nosuch\": executable file not found in $PATH", 127),
            (
                "executable file `nosuch` not found in $PATH: No such file or directory",
                127,
            ),
            ("chdir to `/nodir`: No such file or directory", 127),
            ("exec: \"/etc/passwd\": permission denied", 126),
            ("exec: \"/etc\": is a directory", 126),
            (
                "the path `/etc` is not a regular file: Operation not permitted",
                128,
            ),
            (
                "the path `/etc/passwd` exists but it is not executable: Operation not permitted",
                128,
            ),
            (
                "error mounting \"/f\" to rootfs at \"/tmp\": not a directory",
                127,
            ),
            ("mount `/f` to `tmp`: Not a directory", 127),
            ("something else", 128),
        ] {
            assert_eq!(Refusal::of(text).exit_code, code, "{text}");
        }
    }

    #[test]
    fn words_that_clients_look_for_are_added() {
        let directory = Refusal::of("exec: \"/etc\": is a directory");
        assert_eq!(
            directory.message,
            "exec: \"/etc\": is a directory: permission denied"
        );
        let mount = Refusal::of("mount `/f` to `tmp`: Not a directory");
        assert!(mount.message.ends_with("is the expected type"), "{mount:?}");
        assert!(!Refusal::of("something else").blames_request());
        assert!(mount.blames_request());
    }
}
