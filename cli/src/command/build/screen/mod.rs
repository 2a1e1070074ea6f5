//! How a build's progress is shown. All of it is talk and goes to stderr; only the classic text of
//! other engines goes to stdout, where docker's own client has it.

mod compact;
mod ledger;
mod plain;

use std::io::{self, IsTerminal, Write};

use gantry_engine_api::build::BuildEvent;

pub(super) use compact::Compact;
pub(super) use plain::Plain;

/// Where a build's progress is shown.
pub(super) trait Progress {
    /// Something happened.
    fn take(&mut self, event: &BuildEvent) -> io::Result<()>;

    /// Text of an engine that tells no events.
    fn text(&mut self, text: &str) -> io::Result<()> {
        io::stdout().write_all(text.as_bytes())
    }

    /// The terminal is somebody else's for a while.
    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Some time has passed.
    fn beat(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The build has ended: with an image, or with a fault.
    fn end(&mut self, image: Option<&str>, fault: Option<&str>) -> io::Result<()>;
}

/// Whether people look at the progress.
pub(super) fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Shows nothing; what another engine told is shown if the build fails.
#[derive(Default)]
pub(super) struct Quiet {
    told: String,
}

impl Progress for Quiet {
    fn take(&mut self, event: &BuildEvent) -> io::Result<()> {
        if let BuildEvent::Excerpt { text } = event {
            self.told.push_str(text);
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        self.told.push_str(text);
        Ok(())
    }

    fn end(&mut self, _: Option<&str>, fault: Option<&str>) -> io::Result<()> {
        if fault.is_some() {
            io::stderr().write_all(self.told.as_bytes())?;
        }
        Ok(())
    }
}

/// Every event as a line of JSON.
pub(super) struct Json;

impl Progress for Json {
    fn take(&mut self, event: &BuildEvent) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        io::stderr().write_all(&line)
    }

    fn end(&mut self, _: Option<&str>, _: Option<&str>) -> io::Result<()> {
        Ok(())
    }
}
