//! Applets that tell who and where the process is: `env`, `id`, `tty`.

use std::io::Write;

use super::fail;

/// `env`: the environment, one variable a line.
pub(super) fn env(_: &[String]) -> u8 {
    let mut out = std::io::stdout().lock();
    for (key, value) in std::env::vars_os() {
        if writeln!(out, "{}={}", key.display(), value.display()).is_err() {
            return 1;
        }
    }
    0
}

/// `id`: user, group and supplementary groups, as numbers.
pub(super) fn id(_: &[String]) -> u8 {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let groups = match rustix::process::getgroups() {
        Ok(groups) => groups,
        Err(e) => return fail("id", &format!("cannot read the groups: {e}")),
    };
    let mut all = vec![gid];
    all.extend(groups.iter().map(|g| g.as_raw()).filter(|g| *g != gid));
    let list: Vec<String> = all.iter().map(u32::to_string).collect();
    u8::from(
        writeln!(
            std::io::stdout(),
            "uid={uid} gid={gid} groups={}",
            list.join(",")
        )
        .is_err(),
    )
}

/// `tty`: the terminal on stdin; exit code 1 if there is none.
pub(super) fn tty(_: &[String]) -> u8 {
    match rustix::termios::ttyname(std::io::stdin(), Vec::new()) {
        Ok(name) => u8::from(writeln!(std::io::stdout(), "{}", name.to_string_lossy()).is_err()),
        Err(_) => {
            let _ = writeln!(std::io::stdout(), "not a tty");
            1
        }
    }
}
