//! What runs inside: the initial ram disk's script, a small init, and the agent that runs the
//! command and writes its output and exit code into the shared job folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;

/// Finds the disk and hands over to the init that the kernel's command line names.
pub(super) const INIT: &str = include_str!("../../vm/initrd.sh");
/// PID 1 where systemd is not asked for: mounts, cgroup v2 with all controllers, the agent.
pub(super) const TINY_INIT: &str = include_str!("../../vm/init.sh");
/// Mounts the shared folders, runs the command, powers off.
pub(super) const AGENT: &str = include_str!("../../vm/agent.sh");
/// The agent as a systemd service.
pub(super) const UNIT: &str = include_str!("../../vm/command.service");

/// Writes an executable script.
pub(super) fn write_script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
