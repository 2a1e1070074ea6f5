//! Children that outlive their parent's terminal.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Makes the child the leader of a session of its own before it executes its program: no terminal's
/// hang-up and no signal to the parent's process group reaches it (setsid(2)).
pub fn new_session(command: &mut Command) -> &mut Command {
    let setsid = || rustix::process::setsid().map(drop).map_err(Into::into);
    // SAFETY: the closure runs between fork and exec, where only async-signal-safe calls are
    // allowed: setsid is one, and mapping its result neither allocates nor takes a lock.
    unsafe { command.pre_exec(setsid) }
}

#[cfg(test)]
mod tests {
    use super::new_session;
    use std::process::Command;

    #[test]
    fn the_child_leads_a_session() {
        let output = new_session(Command::new("sh").args(["-c", "cut -d' ' -f1,6 /proc/$$/stat"]))
            .output()
            .expect("sh runs");
        let text = String::from_utf8(output.stdout).expect("numbers");
        let (pid, session) = text.trim().split_once(' ').expect("two numbers");
        assert_eq!(pid, session);
    }
}
