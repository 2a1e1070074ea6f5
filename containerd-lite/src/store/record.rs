//! What is stored, as it is stored.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::filter::Fields;
use crate::names::ContainerId;
use crate::typed::Typed;

/// The version written into every record.
pub(super) const VERSION: u32 = 1;

/// A namespace's labels.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NamespaceRecord {
    pub(super) v: u32,
    pub(super) labels: BTreeMap<String, String>,
}

/// A container's definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(super) v: u32,
    /// Its name within the namespace; never changes.
    pub(crate) id: ContainerId,
    /// The client's labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// The image's reference, for the client's own use.
    pub(crate) image: String,
    /// Which shim runs it, and how; never changes.
    pub(crate) runtime: Runtime,
    /// The type URL of the spec. The value is stored beside the record.
    pub(crate) spec_url: String,
    /// For the client's own use; never changes.
    pub(crate) snapshotter: String,
    /// For the client's own use.
    pub(crate) snapshot_key: String,
    /// For the client's own use.
    pub(crate) sandbox: String,
    /// When it was created.
    pub(crate) created_at: Timestamp,
    /// When it was last changed.
    pub(crate) updated_at: Timestamp,
    /// For the client's own use.
    pub(crate) extensions: BTreeMap<String, Typed>,
}

/// Which shim runs a container, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Runtime {
    /// A runtime name (`io.containerd.runc.v2`) or a shim's path.
    pub(crate) name: String,
    /// The runtime's options.
    pub(crate) options: Option<Typed>,
}

impl Container {
    /// A definition with nothing but its name, made now.
    pub(crate) fn new(id: ContainerId, runtime: Runtime) -> Self {
        let now = Timestamp::now();
        Self {
            v: VERSION,
            id,
            labels: BTreeMap::new(),
            image: String::new(),
            runtime,
            spec_url: String::new(),
            snapshotter: String::new(),
            snapshot_key: String::new(),
            sandbox: String::new(),
            created_at: now,
            updated_at: now,
            extensions: BTreeMap::new(),
        }
    }
}

impl Fields for Container {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        let text = |text: &str| (!text.is_empty()).then(|| Cow::Owned(text.to_owned()));
        match path {
            ["id"] => text(self.id.as_str()),
            ["image"] => text(&self.image),
            ["runtime", "name"] => text(&self.runtime.name),
            ["labels", label @ ..] => {
                // A label may have dots that the client did not quote.
                let label = label.join(".");
                self.labels.get(&label).map(|value| value.as_str().into())
            }
            _ => None,
        }
    }
}

/// A lease: a promise to keep resources, which this program records and has nothing to collect for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(super) v: u32,
    /// Its name within the namespace.
    pub(crate) id: String,
    /// When it was created.
    pub(crate) created_at: Timestamp,
    /// The client's labels.
    pub(crate) labels: BTreeMap<String, String>,
    pub(super) resources: Vec<super::leases::Resource>,
}

impl Lease {
    /// When it ends by itself.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        self.labels.get("containerd.io/gc.expire")?.parse().ok()
    }
}

impl Fields for Lease {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["id"] => Some(self.id.as_str().into()),
            ["labels", label @ ..] => {
                let label = label.join(".");
                self.labels.get(&label).map(|value| value.as_str().into())
            }
            _ => None,
        }
    }
}
