//! Raw mode, and the way back from it on every path out of the program.

use std::io::{self, IsTerminal};
use std::sync::Mutex;

use anyhow::{Result, bail};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal's settings while it is raw.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal in raw mode; dropping it restores the settings. Both at once: to wait until all
/// output is shown would wait for ever for a terminal that nobody reads.
#[derive(Debug)]
pub(crate) struct RawMode;

impl RawMode {
    /// Puts stdin's terminal into raw mode; `None` where stdin is none.
    pub(crate) fn enter() -> Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let saved = tcgetattr(rustix::stdio::stdin())?;
        let mut raw = saved.clone();
        raw.make_raw();
        *SAVED.lock().expect("no panic while the settings are held") = Some(saved);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw)?;
        Ok(Some(Self))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Runs `read` while stdin's terminal shows nothing of what is typed.
pub(crate) fn without_echo<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    use rustix::termios::LocalModes;
    if !io::stdin().is_terminal() {
        return read();
    }
    let saved = tcgetattr(rustix::stdio::stdin())?;
    let mut silent = saved.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    *SAVED.lock().expect("no panic while the settings are held") = Some(saved);
    tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &silent)?;
    let end = read();
    restore();
    println!();
    end
}

fn restore() {
    let saved = SAVED.lock().ok().and_then(|mut saved| saved.take());
    if let Some(settings) = saved {
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &settings);
    }
}

/// A panic aborts and drops nothing: restores the terminal before the message is written.
pub(crate) fn restore_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        before(info);
    }));
}

/// Refuses `-t` with an input that is no terminal, as docker does.
pub(crate) fn require_terminal(attach_stdin: bool, tty: bool) -> Result<()> {
    if attach_stdin && tty && !io::stdin().is_terminal() {
        bail!("the input device is not a TTY");
    }
    Ok(())
}
