//! Shows a stream of progress messages.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use anyhow::Result;
use gantry_engine_api::progress::{ProgressDetail, ProgressMessage};

use super::rate::Rate;
use super::split::Messages;
use crate::client::Reply;
use crate::exit::Failure;
use crate::format::decimal_size;

/// Where progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Stdout,
    Stderr,
    Nowhere,
}

/// Reads messages until the stream ends and shows them; an error in them is this call's error.
pub(crate) async fn show(mut reply: Reply, to: To) -> Result<()> {
    let mut screen = Screen::new(to);
    let mut messages = Messages::default();
    while let Some(chunk) = reply.chunk().await? {
        messages.feed(&chunk, |message| screen.take(&message))?;
    }
    Ok(())
}

struct Screen {
    out: Option<Box<dyn Write>>,
    terminal: bool,
    /// Ids in the order of their lines.
    lines: Vec<String>,
    /// Where the cursor is, in lines from the first.
    at: usize,
    /// How fast each line's bar moves.
    rates: HashMap<String, Rate>,
}

impl Screen {
    fn new(to: To) -> Self {
        let (out, terminal): (Option<Box<dyn Write>>, bool) = match to {
            To::Stdout => (Some(Box::new(io::stdout())), io::stdout().is_terminal()),
            To::Stderr => (Some(Box::new(io::stderr())), io::stderr().is_terminal()),
            To::Nowhere => (None, false),
        };
        Self {
            out,
            terminal,
            lines: Vec::new(),
            at: 0,
            rates: HashMap::new(),
        }
    }

    fn take(&mut self, message: &ProgressMessage) -> Result<()> {
        let failure = message
            .error_detail
            .as_ref()
            .map(|detail| detail.message.as_str());
        let failure = failure.filter(|text| !text.is_empty());
        if let Some(text) =
            failure.or_else(|| Some(message.error.as_str()).filter(|text| !text.is_empty()))
        {
            return Err(Failure::new(1, text).into());
        }
        // Facts for programs are not for people.
        if message.aux.is_some() {
            return Ok(());
        }
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        if !message.stream.is_empty() {
            return Ok(out.write_all(message.stream.as_bytes())?);
        }
        let columns = crate::terminal::size().map(|(_, columns)| usize::from(columns));
        let width = bar_width(columns.filter(|columns| *columns > 0));
        let bar = message.progress_detail.as_ref();
        let bar = bar.and_then(|detail| bar_of(detail, width));
        if !self.terminal && bar.is_some() {
            return Ok(());
        }
        let mut text = line(message, bar.as_deref());
        if self.terminal {
            text.push_str(&self.pace(message));
            cut(&mut text);
        }
        if !self.terminal || message.id.is_empty() {
            if self.terminal {
                self.move_to_end()?;
            }
            let out = self.out.as_mut().expect("checked above");
            writeln!(out, "{text}")?;
            self.lines.clear();
            self.at = 0;
            return Ok(());
        }
        self.rewrite(&message.id, &text)
    }

    /// Speed and time left of a line whose bar moves; nothing for any other.
    fn pace(&mut self, message: &ProgressMessage) -> String {
        let moving = message
            .progress_detail
            .as_ref()
            .filter(|detail| detail.current > 0);
        let Some(detail) = moving else {
            self.rates.remove(&message.id);
            return String::new();
        };
        let rate = self
            .rates
            .get(&message.id)
            .filter(|rate| rate.is_of(message));
        let rate = rate
            .cloned()
            .unwrap_or_else(|| Rate::begin(message, detail));
        let text = rate.told(detail, Instant::now());
        self.rates.insert(message.id.clone(), rate);
        text
    }

    fn move_to_end(&mut self) -> io::Result<()> {
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        if self.at < self.lines.len() {
            write!(out, "\u{1b}[{}B\r", self.lines.len() - self.at)?;
            self.at = self.lines.len();
        }
        Ok(())
    }

    fn rewrite(&mut self, id: &str, text: &str) -> Result<()> {
        self.move_to_end()?;
        let line = self.lines.iter().position(|known| known == id);
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        match line {
            Some(line) => {
                let up = self.lines.len() - line;
                write!(out, "\u{1b}[{up}A\r\u{1b}[2K{text}\u{1b}[{up}B\r")?;
            }
            None => {
                writeln!(out, "{text}")?;
                self.lines.push(id.to_owned());
                self.at = self.lines.len();
            }
        }
        Ok(out.flush()?)
    }
}

/// Cuts a line to the terminal's width: one that wraps would be two, and the next would overwrite it.
fn cut(text: &mut String) {
    let Some((_, columns)) = crate::terminal::size().filter(|(_, columns)| *columns > 0) else {
        return;
    };
    if let Some((end, _)) = text.char_indices().nth(usize::from(columns)) {
        text.truncate(end);
    }
}

fn line(message: &ProgressMessage, bar: Option<&str>) -> String {
    let mut text = String::new();
    if !message.id.is_empty() {
        text.push_str(&message.id);
        text.push_str(": ");
    }
    text.push_str(&message.status);
    if let Some(bar) = bar {
        text.push(' ');
        text.push_str(bar);
    }
    text
}

/// How wide a bar is on a terminal of so many columns: what is said beside it must not be cut off.
fn bar_width(columns: Option<usize>) -> usize {
    const WIDEST: usize = 50;
    const NARROWEST: usize = 8;
    /// An identifier, a status, two sizes, a speed and a time.
    const BESIDE: usize = 70;
    let Some(columns) = columns else {
        return WIDEST;
    };
    match columns.saturating_sub(BESIDE).min(WIDEST) {
        width if width < NARROWEST => 0,
        width => width,
    }
}

/// `[=====>   ]  1.2MB/3MB`; the sizes alone where there is no room for a bar.
fn bar_of(detail: &ProgressDetail, width: usize) -> Option<String> {
    let (current, total) = (detail.current, detail.total);
    if current <= 0 && total <= 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with four digits")]
    let size = |bytes: i64| decimal_size(bytes as f64);
    if total <= 0 || current > total {
        return Some(format!("{:>8}", size(current)));
    }
    if width == 0 {
        return Some(format!("{:>8}/{}", size(current), size(total)));
    }
    let wide = i64::try_from(width).unwrap_or(0);
    let filled = usize::try_from(current.saturating_mul(wide) / total).unwrap_or(0);
    let arrow = if filled < width { ">" } else { "" };
    let space = " ".repeat(width - filled - arrow.len());
    Some(format!(
        "[{}{arrow}{space}] {:>8}/{}",
        "=".repeat(filled),
        size(current),
        size(total)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_leaves_room_for_what_is_said_beside_it() {
        let detail = ProgressDetail {
            current: 30_000_000,
            total: 40_000_000,
        };
        let shown = |columns| bar_of(&detail, bar_width(columns)).unwrap();
        let full = format!("[{}>{}]     30MB/40MB", "=".repeat(37), " ".repeat(12));
        assert_eq!(shown(None), full);
        assert_eq!(shown(Some(200)), full);
        assert_eq!(shown(Some(80)), "[=======>  ]     30MB/40MB");
        assert_eq!(shown(Some(60)), "    30MB/40MB");
    }
}
