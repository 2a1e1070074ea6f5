//! Stopping all processes of a group where they are.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Cgroup, CgroupError, file};

/// How long freezing may take: a process in uninterruptible sleep delays it.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Freezes the group and waits until it is frozen. If it does not become so, it is thawed again.
    ///
    /// # Errors
    /// [`CgroupError::NoController`] without a freezer, [`CgroupError::FreezeTimeout`].
    pub fn freeze(&self) -> Result<(), CgroupError> {
        let path = self.freezer()?;
        let result = if self.is_v2() {
            file::write(&path.join("cgroup.freeze"), "1")
                .and_then(|()| wait(path, "FROZEN", || frozen_v2(path)))
        } else {
            // A fork racing with the freezer can leave it FREEZING: the kernel's advice is to write again.
            wait(path, "FROZEN", || {
                file::write(&path.join("freezer.state"), "FROZEN")?;
                frozen_v1(path)
            })
        };
        if result.is_err() {
            let _half_frozen = self.thaw();
        }
        result
    }

    /// Lets the group run again.
    ///
    /// # Errors
    /// [`CgroupError::NoController`] without a freezer, [`CgroupError::FreezeTimeout`].
    pub fn thaw(&self) -> Result<(), CgroupError> {
        let path = self.freezer()?;
        if self.is_v2() {
            file::write(&path.join("cgroup.freeze"), "0")?;
            return wait(path, "THAWED", || frozen_v2(path).map(|frozen| !frozen));
        }
        file::write(&path.join("freezer.state"), "THAWED")?;
        wait(path, "THAWED", || Ok(state_v1(path)? == "THAWED"))
    }

    /// Whether the group has been frozen (by itself, or on v1 by one above it).
    ///
    /// # Errors
    /// [`CgroupError::Read`] when the group is gone.
    pub fn is_frozen(&self) -> Result<bool, CgroupError> {
        let Ok(path) = self.freezer() else {
            return Ok(false);
        };
        if self.is_v2() {
            let text = file::read_if_there(&path.join("cgroup.freeze"))?;
            return Ok(text.is_some_and(|text| text.trim() == "1"));
        }
        Ok(state_v1(path)? != "THAWED")
    }

    fn freezer(&self) -> Result<&Path, CgroupError> {
        self.directory("freezer").ok_or(CgroupError::NoController {
            controller: "freezer",
        })
    }
}

fn state_v1(path: &Path) -> Result<String, CgroupError> {
    let text = file::read_if_there(&path.join("freezer.state"))?;
    // A group that is gone holds nobody.
    Ok(text.map_or_else(|| "THAWED".to_owned(), |text| text.trim().to_owned()))
}

fn frozen_v1(path: &Path) -> Result<bool, CgroupError> {
    Ok(state_v1(path)? == "FROZEN")
}

fn frozen_v2(path: &Path) -> Result<bool, CgroupError> {
    Ok(file::value(&file::table(&path.join("cgroup.events"))?, "frozen") == 1)
}

fn wait(
    path: &Path,
    wanted: &'static str,
    mut done: impl FnMut() -> Result<bool, CgroupError>,
) -> Result<(), CgroupError> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(50);
    while !done()? {
        if start.elapsed() > PATIENCE {
            let seconds = PATIENCE.as_secs();
            return Err(CgroupError::FreezeTimeout {
                path: path.to_owned(),
                wanted,
                seconds,
            });
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
    Ok(())
}
