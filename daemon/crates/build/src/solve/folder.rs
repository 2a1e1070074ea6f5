//! `FROM` a named context of files: all of them are the stage's first layer.

use gantry_dockerfile::Patterns;

use super::files::Reader;
use super::key::Hasher;
use super::layer::Sought;
use super::stage::{Build, Running, open};
use crate::fault::Fault;

impl Build<'_> {
    /// Makes the layer, or takes it from the cache.
    pub(super) fn folder(&self, running: &mut Running<'_>) -> Result<(), Fault> {
        let tree = self.tree_of(running, running.node)?;
        let reader = Reader::new(&tree, Patterns::default(), true);
        let files = reader.sources(&["/".to_owned()])?;
        let mut hasher = Hasher::new("folder");
        hasher
            .part(running.end.key.as_bytes())
            .part(files.as_bytes());
        // What is told of it is the transfer.
        let counter = running.counter.take();
        let name = self.folder_name(running.node);
        let layer = Sought {
            key: hasher.finish(),
            code: &name,
            extent: Some(reader.extent()),
        };
        let made = self.layer(running, &layer, |rootfs, _| {
            Ok(crate::copy::contents(&tree, "/", &open(rootfs)?)?)
        });
        running.counter = counter;
        made.map(drop)
    }

    /// What the history calls the layer.
    pub(super) fn folder_name(&self, node: usize) -> String {
        format!("local source for {}", self.source_of(node))
    }
}
