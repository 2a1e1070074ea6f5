//! `docs/compatibility.md`, written from the tables.

use std::fmt::Write as _;

use super::Support;
use super::fields::{FIELDS, UPDATED};
use crate::config::options::OPTIONS;
use crate::edge::http::OPERATIONS_NOT_BUILT;

/// The whole document.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Compatibility\n\n\
         What becomes of everything that Docker's API, flags and `daemon.json` know. This page is \
         written from the tables that the engine itself goes by; a test compares it with them, and \
         them with Docker's own lists.\n\n\
         * **honoured**: it does what Docker's documentation says.\n\
         * **honoured, but**: some values are refused, or warned of, where they are used.\n\
         * **warned**: it is accepted, has no effect, and the answer says so.\n\
         * **refused**: it is answered with an error that names it.\n\
         * **answer**: the engine sets it; in a request it means nothing.\n\n\
         JSON fields that nobody knows are ignored, as in dockerd.\n",
    );
    text.push_str("\n## Fields of `POST /containers/create`\n\n| field | | |\n|---|---|---|\n");
    for field in FIELDS {
        row(&mut text, &format!("`{}`", field.name), field.support);
    }
    text.push_str(
        "\n## Fields of `POST /containers/{id}/update`\n\n`RestartPolicy` and these fields of \
         `Resources` take effect; of the others the answer says that they have none.\n\n",
    );
    for name in UPDATED {
        line(&mut text, format_args!("* `{name}`"));
    }
    text.push_str(
        "\n## Flags and keys of `daemon.json`\n\n| flag | key | | |\n|---|---|---|---|\n",
    );
    for opt in OPTIONS {
        let code = |dashes: &str, name: &str| match name {
            "" => String::new(),
            name => format!("`{dashes}{name}`"),
        };
        row(
            &mut text,
            &format!("{} | {}", code("--", opt.flag), code("", opt.key)),
            opt.support,
        );
    }
    text.push_str("\n## Operations that are not built yet\n\nThey answer 501.\n\n");
    text.push_str("| operation | part of |\n|---|---|\n");
    for (method, path, what) in OPERATIONS_NOT_BUILT {
        let path = path.replace("**", "{name}").replace('*', "{id}");
        line(&mut text, format_args!("| `{method} {path}` | {what} |"));
    }
    text
}

fn row(text: &mut String, first: &str, support: Support) {
    let (word, reason) = match support {
        Support::Honoured => ("honoured", ""),
        Support::ByValue(which) => ("honoured, but", which),
        Support::Refused(why) => ("refused", why),
        Support::Warned(why) => ("warned", why),
        Support::Answer => ("answer", ""),
    };
    line(text, format_args!("| {first} | {word} | {reason} |"));
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes any text");
}
