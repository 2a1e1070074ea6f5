//! `list`: all containers below the root.

use std::fs;

use crate::cli::{Flag, Global, Parsed};
use crate::command::state::{View, print};
use crate::command::{Count, HELP, Verb};
use crate::error::{RunError, tell};
use crate::log;
use crate::state::Store;

pub(crate) const LIST: Verb = Verb {
    name: "list",
    help: "list containers started with the given root",
    arguments: "",
    flags: &[
        Flag::value(
            "format",
            "select one of: table or json (default: \"table\")",
        )
        .short('f'),
        Flag::switch("quiet", "display only container IDs").short('q'),
        HELP,
    ],
    count: Count::Exactly(0),
    enters: false,
    run: |global, parsed| Ok(list(global, parsed).map(|()| 0)?),
};

fn list(global: &Global, parsed: &Parsed) -> Result<(), RunError> {
    let store = Store::new(global.root.clone());
    let ids = store.ids()?;
    if parsed.has("quiet") {
        return print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>());
    }
    let mut views = Vec::new();
    for id in ids {
        match store.load(&id) {
            Ok((directory, record)) => {
                let owner = owner_name(record.owner);
                views.push(View::of(record, &directory, owner));
            }
            // Deleted meanwhile, or of another version: the others are still worth showing.
            Err(error) => log::warning(&format!("load container {id}: {}", tell(&error))),
        }
    }
    match parsed.get("format").unwrap_or("table") {
        "table" => print(&table(&views)),
        "json" if views.is_empty() => print("null\n"),
        "json" => {
            let text = serde_json::to_string(&views).expect("views always become JSON");
            print(&format!("{text}\n"))
        }
        other => Err(RunError::Value {
            flag: "--format",
            value: other.to_owned(),
        }),
    }
}

/// Go's tabwriter with columns of at least 12 and 3 blanks between.
fn table(views: &[View]) -> String {
    let head = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows = views.iter().map(|view| {
        [
            view.id.clone(),
            view.pid.to_string(),
            view.status.clone(),
            view.bundle.display().to_string(),
            view.created.clone(),
            view.owner.clone(),
        ]
    });
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count() + 3)
            .max()
            .unwrap_or(0)
            .max(12)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        format!("{}{}\n", cells.collect::<String>(), row[5])
    };
    rows.iter().map(line).collect()
}

fn owner_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("#{uid}"))
}
