//! `gantry images`.

use anyhow::Result;
use jiff::Timestamp;
use serde_json::Value;

use super::tree;
use crate::command::container::short_id;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::{Filter, filters};
use crate::format::{Listing, Row, decimal_size, decimal_size_precise, go_timestamp, since};

/// List images
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// Show intermediate images too
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Show only images that meet a condition (reference=…, dangling=…, label=…)
    #[arg(short, long, value_name = "filter")]
    filter: Vec<Filter>,
    /// 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    format: String,
    /// Do not cut texts short
    #[arg(long)]
    no_trunc: bool,
    /// Only print ids
    #[arg(short, long)]
    quiet: bool,
    /// List images with their platforms and layers, and who shares them
    #[arg(long)]
    tree: bool,
    #[arg(value_name = "REPOSITORY")]
    args: Vec<String>,
}

pub(crate) const LISTING: Listing = Listing {
    columns: &[
        ("ID", "IMAGE ID"),
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("Digest", "DIGEST"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Size", "SIZE"),
        ("Containers", "CONTAINERS"),
        ("VirtualSize", "SIZE"),
        ("SharedSize", "SHARED SIZE"),
        ("UniqueSize", "UNIQUE SIZE"),
    ],
    table: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    kind: "*formatter.imageContext",
};
const DIGESTS: &str =
    "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";

impl Execute for Ls {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let format = if self.format.is_empty() {
            &cx.config.images_format
        } else {
            &self.format
        };
        let mut conditions = self.filter.clone();
        conditions.extend(self.args.first().map(|name| Filter::new("reference", name)));
        let images: Vec<Value> = cx
            .client()
            .get("/images/json")
            .flag("all", self.all)
            .flag("manifests", self.tree)
            .flag("layers", self.tree)
            .maybe("filters", filters(&conditions))
            .fetch()
            .await?;
        if self.tree {
            tree::print(cx, &images)?;
            return Ok(Exit::SUCCESS);
        }
        let shown: Vec<Named> = images
            .iter()
            .flat_map(|image| names(image, self.digests || format.contains(".Digest")))
            .collect();
        if self.quiet {
            for one in &shown {
                let id = one.image["Id"].as_str().unwrap_or_default();
                cx.printer
                    .line(if self.no_trunc { id } else { short_id(id) })?;
            }
            return Ok(Exit::SUCCESS);
        }
        let now = Timestamp::now();
        let rows: Vec<Row> = shown
            .iter()
            .map(|one| row(one, !self.no_trunc, now))
            .collect();
        let digests = self.digests && matches!(format.as_str(), "" | "table");
        LISTING.print(&cx.printer, if digests { DIGESTS } else { format }, &rows)?;
        Ok(Exit::SUCCESS)
    }
}

/// One name of an image: each has a line.
pub(crate) struct Named<'a> {
    image: &'a Value,
    repository: String,
    tag: String,
    digest: String,
}

/// The lines of an image: its tags, each with the digest of the same repository, then digests
/// without a tag.
pub(crate) fn names(image: &Value, digests: bool) -> Vec<Named<'_>> {
    const NONE: &str = "<none>";
    let list = |key: &str| -> Vec<&str> {
        image[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    let tags = list("RepoTags")
        .into_iter()
        .filter_map(|name| name.rsplit_once(':'));
    let tags: Vec<(&str, &str)> = tags.filter(|(repository, _)| *repository != NONE).collect();
    let by_digest = list("RepoDigests")
        .into_iter()
        .filter_map(|name| name.split_once('@'));
    let by_digest: Vec<(&str, &str)> = by_digest.filter(|(name, _)| *name != NONE).collect();
    let named = |repository: &str, tag: &str, digest: &str| Named {
        image,
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        digest: digest.to_owned(),
    };
    let digest_of = |repository: &str| -> Vec<&str> {
        by_digest
            .iter()
            .filter(|(name, _)| *name == repository)
            .map(|(_, digest)| *digest)
            .collect()
    };
    let mut lines = Vec::new();
    for (repository, tag) in &tags {
        let found = if digests {
            digest_of(repository)
        } else {
            Vec::new()
        };
        if found.is_empty() {
            lines.push(named(repository, tag, NONE));
        }
        lines.extend(
            found
                .into_iter()
                .map(|digest| named(repository, tag, digest)),
        );
    }
    let untagged = by_digest
        .iter()
        .filter(|(name, _)| !tags.iter().any(|(tag, _)| tag == name));
    if digests {
        lines.extend(untagged.map(|(name, digest)| named(name, NONE, digest)));
    } else {
        let mut repositories: Vec<&str> = untagged.map(|(name, _)| *name).collect();
        repositories.dedup();
        lines.extend(repositories.into_iter().map(|name| named(name, NONE, NONE)));
    }
    if lines.is_empty() {
        lines.push(named(NONE, NONE, NONE));
    }
    lines
}

/// The fields of one line.
pub(crate) fn row(one: &Named<'_>, cut: bool, now: Timestamp) -> Row {
    let id = one.image["Id"].as_str().unwrap_or_default();
    let number = |key: &str| one.image[key].as_f64().unwrap_or(-1.0);
    let created = Timestamp::from_second(one.image["Created"].as_i64().unwrap_or(0));
    let created = created.unwrap_or(Timestamp::UNIX_EPOCH);
    let known = |bytes: f64| {
        if bytes < 0.0 {
            "N/A".to_owned()
        } else {
            decimal_size(bytes)
        }
    };
    let (size, shared) = (number("Size"), number("SharedSize"));
    let unique = if shared < 0.0 || size < 0.0 {
        -1.0
    } else {
        size - shared
    };
    let containers = one.image["Containers"].as_i64().filter(|count| *count >= 0);
    Row::new([
        ("ID", if cut { short_id(id) } else { id }.into()),
        ("Repository", one.repository.as_str().into()),
        ("Tag", one.tag.as_str().into()),
        ("Digest", one.digest.as_str().into()),
        (
            "CreatedSince",
            format!("{} ago", since(created, now)).into(),
        ),
        ("CreatedAt", go_timestamp(created).into()),
        ("Size", decimal_size_precise(size).into()),
        (
            "Containers",
            containers
                .map_or("N/A".to_owned(), |count| count.to_string())
                .into(),
        ),
        ("VirtualSize", decimal_size(size).into()),
        ("SharedSize", known(shared).into()),
        ("UniqueSize", known(unique).into()),
    ])
}
