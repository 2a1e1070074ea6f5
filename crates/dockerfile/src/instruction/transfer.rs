//! `COPY` and `ADD`.

use super::{Outcome, Request};
use crate::ast::Transfer;
use crate::error::Syntax;
use crate::{heredoc, words};

const COPY_FLAGS: [&str; 6] = ["chown", "chmod", "exclude", "from", "link", "parents"];
const ADD_FLAGS: [&str; 7] = [
    "checksum",
    "chmod",
    "chown",
    "exclude",
    "keep-git-dir",
    "link",
    "unpack",
];

impl Request<'_> {
    pub(super) fn transfer(&mut self, name: &'static str) -> Outcome<Transfer> {
        let mut list = match words::json(self.rest)? {
            Some(list) => list,
            None => words::plain(self.rest),
        };
        if !self.statement.heredocs.is_empty() {
            list = joined_heredocs(list);
        }
        let destination = list.pop().filter(|_| !list.is_empty());
        let destination = destination.ok_or(Syntax::NoDestination(name))?;
        let known: &[&'static str] = if name == "COPY" {
            &COPY_FLAGS
        } else {
            &ADD_FLAGS
        };
        self.flags.finish(known)?;
        let mut transfer = Transfer {
            chown: self.flags.text("chown")?,
            chmod: self.flags.text("chmod")?,
            link: self.flags.switch("link")?.unwrap_or(false),
            exclude: self
                .flags
                .texts("exclude")?
                .into_iter()
                .map(|(text, _)| text)
                .collect(),
            from: self.flags.text("from")?,
            parents: self.flags.switch("parents")?.unwrap_or(false),
            checksum: self.flags.text("checksum")?,
            keep_git_dir: self.flags.switch("keep-git-dir")?,
            unpack: self.flags.switch("unpack")?,
            ..Transfer::default()
        };
        let is_heredoc = !self.statement.heredocs.is_empty();
        if is_heredoc && heredoc::parse(&destination).is_some() {
            return Err(Syntax::HeredocDestination(name).into());
        }
        transfer.destination = destination;
        let mut documents = self.statement.heredocs.iter();
        for source in list {
            match heredoc::parse(&source)
                .filter(|_| is_heredoc)
                .and_then(|_| documents.next())
            {
                Some(document) => transfer.documents.push(document.clone()),
                None => transfer.sources.push(source),
            }
        }
        Ok(transfer)
    }
}

/// Puts `<<` and the name behind a space back together.
fn joined_heredocs(list: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::with_capacity(list.len());
    for word in list {
        match joined.last_mut() {
            Some(open) if open.ends_with("<<") || open.ends_with("<<-") => open.push_str(&word),
            _ => joined.push(word),
        }
    }
    joined
}
