//! Lists of objects: `--format` with `table`, `json` or a template, as all of docker's lists take.

use anyhow::{Result, anyhow};
use serde_json::Value;

use super::row::Row;
use super::table::tabulate;
use super::template::{Missing, Template};
use crate::printer::Printer;

/// The fields of a list and their titles; the first lines of a table.
pub(crate) type Columns = &'static [(&'static str, &'static str)];

/// How one kind of object is listed.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) columns: Columns,
    /// The table shown without `--format`.
    pub(crate) table: &'static str,
    /// The name docker's errors give the row's type.
    pub(crate) kind: &'static str,
}

enum Style {
    Table(String),
    Plain(String),
    Json,
}

impl Listing {
    /// Prints `rows` as `format` says; an empty format is the default table.
    pub(crate) fn print(&self, printer: &Printer, format: &str, rows: &[Row]) -> Result<()> {
        let text = self.render(format, rows)?;
        Ok(printer.raw(text.as_bytes())?)
    }

    pub(crate) fn render(&self, format: &str, rows: &[Row]) -> Result<String> {
        match self.style(format) {
            Style::Json => Ok(rows.iter().map(|row| row.json() + "\n").collect()),
            Style::Plain(source) => {
                let template = self.parse(&source)?;
                self.lines(&template, rows)
            }
            Style::Table(source) => {
                let template = self.parse(&source)?;
                let titles = self
                    .columns
                    .iter()
                    .map(|(name, title)| ((*name).to_owned(), Value::String((*title).to_owned())));
                let head = template.execute_header(&titles.collect())?;
                Ok(tabulate(&format!(
                    "{head}\n{}",
                    self.lines(&template, rows)?
                )))
            }
        }
    }

    fn lines(&self, template: &Template, rows: &[Row]) -> Result<String> {
        let mut text = String::new();
        for row in rows {
            let line = template.execute(&row.0, Missing::Print);
            text.push_str(&line.map_err(|error| anyhow!("template parsing error: {error}"))?);
            text.push('\n');
        }
        Ok(text)
    }

    fn style(&self, format: &str) -> Style {
        let format = format.trim_start();
        match format {
            "" | "table" => Style::Table(self.table.to_owned()),
            "json" => Style::Json,
            _ => match format.strip_prefix("table ") {
                Some(rest) => Style::Table(unescape(rest.trim())),
                None => Style::Plain(unescape(format)),
            },
        }
    }

    fn parse(&self, source: &str) -> Result<Template> {
        let template = Template::parse(source)?;
        let known =
            |name: &str| name == "Label" || self.columns.iter().any(|(known, _)| *known == name);
        if let Some((name, column)) = template.first_field(|name| !known(name)) {
            return Err(anyhow!(
                "template parsing error: template: :1:{column}: executing \"\" at <.{name}>: can't evaluate field {name} in type {}",
                self.kind
            ));
        }
        Ok(template)
    }
}

fn unescape(format: &str) -> String {
    format.replace("\\t", "\t").replace("\\n", "\n")
}

/// `a=b,c=d`, by key.
pub(crate) fn sorted_pairs(map: &Value) -> String {
    let Some(map) = map.as_object() else {
        return String::new();
    };
    let mut pairs: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: Listing = Listing {
        columns: &[
            ("ID", "CONTAINER ID"),
            ("Names", "NAMES"),
            ("Ports", "PORTS"),
        ],
        table: "{{.ID}}\t{{.Names}}",
        kind: "*formatter.ContainerContext",
    };

    fn row() -> Row {
        Row::new([
            ("Names", "w1".into()),
            ("ID", "abc".into()),
            ("Ports", "1->2".into()),
        ])
        .with_labels(&serde_json::json!({"a.b-c": "v"}))
    }

    #[test]
    fn formats_are_dockers() {
        let table = [
            ("", "CONTAINER ID   NAMES\nabc            w1\n"),
            (
                "json",
                "{\"ID\":\"abc\",\"Names\":\"w1\",\"Ports\":\"1-\\u003e2\"}\n",
            ),
            ("{{.Names}}\\t{{.ID}}", "w1\tabc\n"),
            (
                "table {{upper .Names}}\\t{{.Label \"a.b-c\"}}",
                "NAMES     b c\nW1        v\n",
            ),
            (
                "{{json .}}",
                "{\"ID\":\"abc\",\"Names\":\"w1\",\"Ports\":\"1-\\u003e2\"}\n",
            ),
            ("{{json .Names}}", "\"w1\"\n"),
        ];
        for (format, want) in table {
            assert_eq!(LISTING.render(format, &[row()]).unwrap(), want, "{format}");
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        let error = LISTING.render("{{.Foo}}", &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "template parsing error: template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext"
        );
        let error = LISTING.render("{{foo .ID}}", &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "template parsing error: template: :1: function \"foo\" not defined"
        );
    }
}
