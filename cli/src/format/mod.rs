//! How data becomes text: Go templates, tables, JSON, and the human units of docker's go-units.

mod age;
mod json;
mod list;
mod row;
mod size;
mod table;
mod template;
mod time;
mod value;
mod walk;

pub(crate) use age::since;
pub(crate) use json::{go_pretty, go_quote, plain_compact};
pub(crate) use list::{Listing, sorted_pairs};
pub(crate) use row::Row;
pub(crate) use size::{binary_size, decimal_size, decimal_size_precise, parse_binary};
pub(crate) use table::aligned;
pub(crate) use template::{Missing, Template};
pub(crate) use time::{go_timestamp, parse_go_duration_ns, timestamp_argument};
