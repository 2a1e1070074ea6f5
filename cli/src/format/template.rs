//! Go templates with docker's functions, over engine data.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use gotmpl::parse::{ListNode, Parser, SmolStr};
use gotmpl::{MissingKey, TemplateError, Value as Cell};
use serde_json::Value;

use super::json::plain_compact;
use super::row::{LABELS, row_json};
use super::value::Memory;
use super::walk::{FUNCTIONS, LABEL, PRINT, check_functions, collect_list, rewrite_list};

/// What a field that is not there means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// An error: a mistyped name.
    Refuse,
    /// `<no value>`.
    Print,
}

/// A parsed template.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    tree: ListNode,
}

impl Template {
    /// Parses docker's template text; `\t` and `\n` written out mean the characters.
    pub(crate) fn parse(source: &str) -> Result<Self> {
        let failed = |error: TemplateError| anyhow!("template parsing error: {}", go_words(&error));
        let parser = Parser::with_name(None, source, "{{", "}}").map_err(failed)?;
        let (mut tree, defines) = parser.parse().map_err(failed)?;
        if let Some(define) = defines.first() {
            return Err(anyhow!(
                "template parsing error: define \"{}\" is not supported",
                define.name
            ));
        }
        rewrite_list(&mut tree);
        check_functions(&tree)?;
        Ok(Self { tree })
    }

    /// Runs the template over one object.
    pub(crate) fn execute(&self, data: &Value, missing: Missing) -> Result<String> {
        self.run(data, missing, false)
    }

    /// Runs the template over the titles of a table: functions leave them alone.
    pub(crate) fn execute_header(&self, titles: &Value) -> Result<String> {
        self.run(titles, Missing::Print, true)
    }

    /// The first field of the row that `unwanted` names, and its column in the source.
    pub(super) fn first_field(&self, unwanted: impl Fn(&str) -> bool) -> Option<(String, usize)> {
        self.root_fields().into_iter().find_map(|(fields, offset)| {
            let name: &str = fields[0].as_ref();
            // Go counts bytes from 0, the dot being what it points at.
            unwanted(name).then(|| (name.to_owned(), offset))
        })
    }

    /// Refuses fields that the object's structs do not have, as docker's inspect does. A missing
    /// key of a map (a label) is `<no value>`.
    fn refuse_missing(&self, root: &Cell, memory: &Memory) -> Result<()> {
        for (fields, column) in self.root_fields() {
            let mut here = root;
            for (depth, field) in fields.iter().enumerate() {
                let name: &str = field.as_ref();
                match here.field(name) {
                    Some(next) => here = next,
                    None if memory.is_struct(here) => {
                        let path: Vec<&str> = fields[..=depth].iter().map(AsRef::as_ref).collect();
                        let column = column
                            + path[..depth]
                                .iter()
                                .map(|part| part.len() + 1)
                                .sum::<usize>();
                        return Err(anyhow!(
                            "template: :1:{column}: executing \"\" at <.{}>: map has no entry for key \"{name}\"",
                            path.join(".")
                        ));
                    }
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// The field chains that begin at the object itself, with their columns.
    fn root_fields(&self) -> Vec<(Vec<SmolStr>, usize)> {
        let mut found = Vec::new();
        collect_list(&self.tree, &mut found);
        found
    }

    fn run(&self, data: &Value, missing: Missing, header: bool) -> Result<String> {
        let mut memory = Memory::default();
        let cell = memory.take(data);
        if missing == Missing::Refuse {
            self.refuse_missing(&cell, &memory)?;
        }
        let memory = Arc::new(memory);
        let template = with_functions(gotmpl::Template::new(""), &memory, header);
        let template = template
            .missing_key(MissingKey::Invalid)
            .add_parse_tree(ROOT, self.tree.clone());
        let mut out = String::new();
        template
            .execute_template_fmt(&mut out, ROOT, &cell)
            .map_err(|error| anyhow!("{}", go_words(&error)))?;
        Ok(out)
    }
}

/// The name of the whole template.
const ROOT: &str = "root";

fn with_functions(
    mut template: gotmpl::Template,
    memory: &Arc<Memory>,
    header: bool,
) -> gotmpl::Template {
    for name in FUNCTIONS {
        let memory = Arc::clone(memory);
        template = template.func(name, move |args| {
            if header {
                return Ok(args.first().cloned().unwrap_or(Cell::Nil));
            }
            apply(name, args, &memory)
        });
    }
    let printer = Arc::clone(memory);
    template
        .func(PRINT, move |args| {
            Ok(match args.first() {
                Some(cell @ (Cell::List(_) | Cell::Map(_))) => text(printer.print(cell)),
                Some(other) => other.clone(),
                None => Cell::Nil,
            })
        })
        .func(LABEL, move |args| Ok(label(args, header)))
}

fn text(value: impl AsRef<str>) -> Cell {
    Cell::String(value.as_ref().into())
}

fn apply(name: &str, args: &[Cell], memory: &Memory) -> gotmpl::Result<Cell> {
    let string = |index: usize| args.get(index).and_then(Cell::as_str).unwrap_or_default();
    let number = |index: usize| {
        let number = args.get(index).and_then(Cell::as_int).unwrap_or(0);
        usize::try_from(number).unwrap_or(0)
    };
    let wants = if matches!(name, "pad") {
        3
    } else if matches!(name, "split" | "join" | "truncate") {
        2
    } else {
        1
    };
    if args.len() != wants {
        return Err(TemplateError::ArgCount {
            name: name.to_owned(),
            expected: wants,
            got: args.len(),
        });
    }
    if !matches!(name, "json" | "join") && args[0].as_str().is_none() {
        let kind = args[0].type_name();
        return Err(TemplateError::Exec(format!(
            "wrong type for value; expected string; got {kind}"
        )));
    }
    Ok(match name {
        // A row of a list writes itself, as Go's `MarshalJSON`.
        "json" if args[0].field(LABELS).is_some() => text(row_json(&memory.json(&args[0]))),
        "json" => text(plain_compact(&memory.json(&args[0]))),
        "split" => Cell::List(string(0).split(string(1)).map(text).collect()),
        "join" => {
            let Cell::List(items) = &args[0] else {
                return Err(TemplateError::Exec(
                    "wrong type for value; expected []string".to_owned(),
                ));
            };
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            text(items.join(string(1)))
        }
        "title" => text(title(string(0))),
        "lower" => text(string(0).to_lowercase()),
        "upper" => text(string(0).to_uppercase()),
        "pad" if string(0).is_empty() => text(""),
        "pad" => text(format!(
            "{}{}{}",
            " ".repeat(number(1)),
            string(0),
            " ".repeat(number(2))
        )),
        _ => text(string(0).chars().take(number(1)).collect::<String>()),
    })
}

fn title(words: &str) -> String {
    let mut start = true;
    words
        .chars()
        .map(|c| {
            let first = start && c.is_alphabetic();
            start = !c.is_alphanumeric() && c != '_' && c != '\'';
            if first {
                c.to_uppercase().next().unwrap_or(c)
            } else {
                c
            }
        })
        .collect()
}

/// `.Label "name"`: one label of a row, or its title: the name's last part.
fn label(args: &[Cell], header: bool) -> Cell {
    let name = args.get(1).and_then(Cell::as_str).unwrap_or_default();
    if header {
        let last = name.rsplit('.').next().unwrap_or_default();
        return text(last.replace(['-', '_'], " "));
    }
    let labels = args.first().and_then(|row| row.field(LABELS));
    labels
        .and_then(|labels| labels.field(name))
        .cloned()
        .unwrap_or_else(|| text(""))
}

/// Go's wording of the errors that people meet.
fn go_words(error: &TemplateError) -> String {
    match error {
        TemplateError::MissingKey { key } => {
            format!(
                "template: :1:2: executing \"\" at <.{key}>: map has no entry for key \"{key}\""
            )
        }
        TemplateError::Parse { line, message, .. } | TemplateError::Lex { line, message, .. } => {
            format!("template: :{line}: {message}")
        }
        TemplateError::IndexOutOfRange { index } => {
            format!("error calling index: index out of range: {index}")
        }
        other => other.to_string(),
    }
}
