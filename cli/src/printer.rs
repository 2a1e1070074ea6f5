//! The two ways out: stdout for data, stderr for talk.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Write};

/// Writes to stdout (buffered) and stderr (at once).
#[derive(Debug)]
pub(crate) struct Printer {
    out: RefCell<BufWriter<io::Stdout>>,
}

impl Printer {
    pub(crate) fn new() -> Self {
        Self {
            out: RefCell::new(BufWriter::new(io::stdout())),
        }
    }

    /// One line of data.
    pub(crate) fn line(&self, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.out.borrow_mut(), "{text}")
    }

    /// Data as it is.
    pub(crate) fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        self.out.borrow_mut().write_all(bytes)
    }

    /// Sends what is buffered on its way; must be called before anything waits.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.out.borrow_mut().flush()
    }

    /// One line of talk. A stderr that nobody reads is no reason to fail.
    pub(crate) fn say(&self, text: impl fmt::Display) {
        let _ = self.flush();
        let _ = writeln!(io::stderr(), "{text}");
    }

    pub(crate) fn stdout_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }
}
