//! The durable records of images: one redb file, read whole at the start, written through.

use std::path::Path;

use gantry_ids::{Digest, ImageId, ImageRef};
use gantry_layer::ChainId;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};

use super::record::{BlobRecord, ImageRecord, SourcesRecord, VERSION, VariantsRecord};
use super::variants::Variants;
use crate::ImageError;

/// Digest → the bytes of an image's configuration, as they came.
const CONFIGS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("configs");
/// Digest of the configuration → [`ImageRecord`] as JSON.
const IMAGES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("images");
/// Full reference → digest of the configuration.
const REFERENCES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("references");
/// Digest of a compressed layer as it came → [`BlobRecord`] as JSON.
const BLOBS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("blobs");
/// Digest → the bytes of a manifest, as they came.
const MANIFESTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("manifests");

/// Digest of a compressed layer → [`SourcesRecord`] as JSON.
const SOURCES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("blob_sources");

/// Full reference of an index → [`VariantsRecord`] as JSON.
const VARIANTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("variants");

/// Chain → when a container last stood on it, in nanoseconds since 1970.
const USES: TableDefinition<'_, &[u8], i64> = TableDefinition::new("chain_uses");

/// One change; a batch of them is made durable at once or not at all.
#[derive(Debug)]
pub(crate) enum Change {
    PutImage {
        id: ImageId,
        config: Box<[u8]>,
        record: ImageRecord,
    },
    SetRecord {
        id: ImageId,
        record: ImageRecord,
    },
    DeleteImage {
        id: ImageId,
    },
    SetReference {
        reference: ImageRef,
        image: ImageId,
    },
    DeleteReference {
        reference: ImageRef,
    },
    PutBlob {
        digest: Digest,
        record: BlobRecord,
    },
    PutManifest {
        digest: Digest,
        bytes: Box<[u8]>,
    },
    PutSources {
        digest: Digest,
        repositories: Vec<String>,
    },
    /// After [`Change::SetReference`]: the reference stands for an index.
    SetVariants {
        reference: ImageRef,
        variants: Variants,
    },
    /// A blob and where it was seen.
    DeleteBlob {
        digest: Digest,
    },
    DeleteManifest {
        digest: Digest,
    },
    PutUse {
        chain: ChainId,
        at_ns: i64,
    },
    DeleteUse {
        chain: ChainId,
    },
}

/// Everything that was read at the start.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) images: Vec<(ImageId, Vec<u8>, ImageRecord)>,
    pub(crate) references: Vec<(ImageRef, ImageId)>,
    pub(crate) blobs: Vec<(Digest, BlobRecord)>,
    pub(crate) sources: Vec<(Digest, Vec<String>)>,
    pub(crate) variants: Vec<(ImageRef, Variants)>,
    pub(crate) uses: Vec<(ChainId, i64)>,
}

/// The database.
#[derive(Debug)]
pub(crate) struct Metadata(Database);

/// Gives redb's many error types one step and one type.
fn failed<E: Into<redb::Error>>(step: &'static str) -> impl FnOnce(E) -> ImageError {
    move |error| ImageError::Metadata {
        step,
        source: Box::new(error.into()),
    }
}

/// What the database keeps in memory, in bytes. The kernel's page cache holds the rest.
const CACHE_BYTES: usize = 1 << 20;

fn damaged(what: &str) -> ImageError {
    let source = Box::new(redb::Error::Corrupted(what.to_owned()));
    ImageError::Metadata {
        step: "read",
        source,
    }
}

impl Metadata {
    /// Opens or makes the database and its tables. A new one gets its name when it is whole: an
    /// engine killed meanwhile would leave a file that is no database.
    pub(crate) fn open(path: &Path) -> Result<Self, ImageError> {
        let database = gantry_ledger::open(path, Some(CACHE_BYTES)).map_err(failed("open"))?;
        let write = database.begin_write().map_err(failed("begin"))?;
        for table in [CONFIGS, IMAGES, BLOBS, MANIFESTS, SOURCES] {
            write.open_table(table).map_err(failed("open a table"))?;
        }
        write
            .open_table(REFERENCES)
            .map_err(failed("open a table"))?;
        write.open_table(VARIANTS).map_err(failed("open a table"))?;
        write.open_table(USES).map_err(failed("open a table"))?;
        write.commit().map_err(failed("commit"))?;
        Ok(Self(database))
    }

    /// Reads everything but manifests.
    pub(crate) fn read(&self) -> Result<Contents, ImageError> {
        let read = self.0.begin_read().map_err(failed("begin"))?;
        let configs = read.open_table(CONFIGS).map_err(failed("open a table"))?;
        let mut contents = Contents::default();
        let images = read.open_table(IMAGES).map_err(failed("open a table"))?;
        for row in images.iter().map_err(failed("read"))? {
            let (key, value) = row.map_err(failed("read"))?;
            let config = configs.get(key.value()).map_err(failed("read"))?;
            let config = config.ok_or_else(|| damaged("an image without configuration"))?;
            let id = ImageId::new(digest(key.value())?);
            contents
                .images
                .push((id, config.value().to_vec(), record(value.value())?));
        }
        let references = read
            .open_table(REFERENCES)
            .map_err(failed("open a table"))?;
        for row in references.iter().map_err(failed("read"))? {
            let (key, value) = row.map_err(failed("read"))?;
            let reference = key.value().parse().map_err(|_| damaged("a reference"))?;
            contents
                .references
                .push((reference, ImageId::new(digest(value.value())?)));
        }
        let blobs = read.open_table(BLOBS).map_err(failed("open a table"))?;
        for row in blobs.iter().map_err(failed("read"))? {
            let (key, value) = row.map_err(failed("read"))?;
            contents
                .blobs
                .push((digest(key.value())?, record(value.value())?));
        }
        let sources = read.open_table(SOURCES).map_err(failed("open a table"))?;
        for row in sources.iter().map_err(failed("read"))? {
            let (key, value) = row.map_err(failed("read"))?;
            let known: SourcesRecord = record(value.value())?;
            contents
                .sources
                .push((digest(key.value())?, known.repositories));
        }
        let variants = read.open_table(VARIANTS).map_err(failed("open a table"))?;
        for row in variants.iter().map_err(failed("read"))? {
            let (key, value) = row.map_err(failed("read"))?;
            let reference = key.value().parse().map_err(|_| damaged("a reference"))?;
            let known: VariantsRecord = record(value.value())?;
            contents.variants.push((reference, known.variants));
        }
        let uses = read.open_table(USES).map_err(failed("open a table"))?;
        for row in uses.iter().map_err(failed("read"))? {
            let (key, value) = row.map_err(failed("read"))?;
            let chain = ChainId::new(digest(key.value())?);
            contents.uses.push((chain, value.value()));
        }
        Ok(contents)
    }

    /// The bytes of a manifest or index.
    pub(crate) fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ImageError> {
        let read = self.0.begin_read().map_err(failed("begin"))?;
        let table = read.open_table(MANIFESTS).map_err(failed("open a table"))?;
        let found = table.get(&digest.as_bytes()[..]).map_err(failed("read"))?;
        Ok(found.map(|bytes| bytes.value().to_vec()))
    }

    /// The digests of all manifests and indexes.
    pub(crate) fn manifests(&self) -> Result<Vec<Digest>, ImageError> {
        let read = self.0.begin_read().map_err(failed("begin"))?;
        let table = read.open_table(MANIFESTS).map_err(failed("open a table"))?;
        let rows = table.iter().map_err(failed("read"))?;
        rows.map(|row| digest(row.map_err(failed("read"))?.0.value()))
            .collect()
    }

    /// The manifests whose bytes have another digest than their key.
    pub(crate) fn damaged_manifests(&self) -> Result<Vec<Digest>, ImageError> {
        let read = self.0.begin_read().map_err(failed("begin"))?;
        let table = read.open_table(MANIFESTS).map_err(failed("open a table"))?;
        let mut damaged = Vec::new();
        for row in table.iter().map_err(failed("read"))? {
            let (key, value) = row.map_err(failed("read"))?;
            let known = digest(key.value())?;
            if Digest::of(value.value()) != known {
                damaged.push(known);
            }
        }
        Ok(damaged)
    }

    /// Makes a batch of changes durable.
    pub(crate) fn write(&self, changes: &[Change]) -> Result<(), ImageError> {
        let write = self.0.begin_write().map_err(failed("begin"))?;
        Self::write_in(write, changes)
    }

    /// The same without waiting for the disk: durable with the next batch that is. For what is only
    /// in the way.
    pub(crate) fn write_later(&self, changes: &[Change]) -> Result<(), ImageError> {
        let mut write = self.0.begin_write().map_err(failed("begin"))?;
        write
            .set_durability(redb::Durability::None)
            .map_err(failed("begin"))?;
        Self::write_in(write, changes)
    }

    fn write_in(write: redb::WriteTransaction, changes: &[Change]) -> Result<(), ImageError> {
        for change in changes {
            apply(&write, change)?;
        }
        write.commit().map_err(failed("commit"))
    }
}

fn apply(write: &redb::WriteTransaction, change: &Change) -> Result<(), ImageError> {
    let open = |table| write.open_table(table).map_err(failed("open a table"));
    match change {
        Change::PutImage { id, config, record } => {
            put(open(CONFIGS)?, id.digest(), config)?;
            put(open(IMAGES)?, id.digest(), &json(record))
        }
        Change::SetRecord { id, record } => put(open(IMAGES)?, id.digest(), &json(record)),
        Change::DeleteImage { id } => {
            let key = &id.digest().as_bytes()[..];
            open(CONFIGS)?.remove(key).map_err(failed("remove"))?;
            open(IMAGES)?.remove(key).map_err(failed("remove"))?;
            Ok(())
        }
        Change::SetReference { reference, image } => {
            let mut table = write
                .open_table(REFERENCES)
                .map_err(failed("open a table"))?;
            let value = &image.digest().as_bytes()[..];
            table
                .insert(&*reference.to_string(), value)
                .map_err(failed("write"))?;
            remove_variants(write, reference)
        }
        Change::DeleteReference { reference } => {
            let mut table = write
                .open_table(REFERENCES)
                .map_err(failed("open a table"))?;
            table
                .remove(&*reference.to_string())
                .map_err(failed("remove"))?;
            remove_variants(write, reference)
        }
        Change::PutBlob { digest, record } => put(open(BLOBS)?, digest, &json(record)),
        Change::PutManifest { digest, bytes } => put(open(MANIFESTS)?, digest, bytes),
        Change::PutSources {
            digest,
            repositories,
        } => {
            let record = SourcesRecord {
                v: VERSION,
                repositories: repositories.clone(),
            };
            put(open(SOURCES)?, digest, &json(&record))
        }
        Change::SetVariants {
            reference,
            variants,
        } => set_variants(write, reference, variants),
        Change::DeleteBlob { digest } => {
            let key = &digest.as_bytes()[..];
            open(BLOBS)?.remove(key).map_err(failed("remove"))?;
            open(SOURCES)?.remove(key).map_err(failed("remove"))?;
            Ok(())
        }
        Change::PutUse { chain, at_ns } => set_use(write, chain, Some(*at_ns)),
        Change::DeleteUse { chain } => set_use(write, chain, None),
        Change::DeleteManifest { digest } => {
            let key = &digest.as_bytes()[..];
            open(MANIFESTS)?.remove(key).map_err(failed("remove"))?;
            Ok(())
        }
    }
}

/// When a chain was used last; none forgets it.
fn set_use(
    write: &redb::WriteTransaction,
    chain: &ChainId,
    at_ns: Option<i64>,
) -> Result<(), ImageError> {
    let mut table = write.open_table(USES).map_err(failed("open a table"))?;
    let key = &chain.digest().as_bytes()[..];
    match at_ns {
        Some(at_ns) => drop(table.insert(key, at_ns).map_err(failed("write"))?),
        None => drop(table.remove(key).map_err(failed("remove"))?),
    }
    Ok(())
}

fn set_variants(
    write: &redb::WriteTransaction,
    reference: &ImageRef,
    variants: &Variants,
) -> Result<(), ImageError> {
    let record = VariantsRecord {
        v: VERSION,
        variants: variants.clone(),
    };
    let mut table = write.open_table(VARIANTS).map_err(failed("open a table"))?;
    table
        .insert(&*reference.to_string(), &*json(&record))
        .map_err(failed("write"))?;
    Ok(())
}

/// A reference that means another image, or none, is no index any more.
fn remove_variants(write: &redb::WriteTransaction, reference: &ImageRef) -> Result<(), ImageError> {
    let mut table = write.open_table(VARIANTS).map_err(failed("open a table"))?;
    table
        .remove(&*reference.to_string())
        .map_err(failed("remove"))?;
    Ok(())
}

fn put(
    mut table: redb::Table<'_, &[u8], &[u8]>,
    key: &Digest,
    value: &[u8],
) -> Result<(), ImageError> {
    table
        .insert(&key.as_bytes()[..], value)
        .map_err(failed("write"))?;
    Ok(())
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record of plain fields")
}

fn digest(key: &[u8]) -> Result<Digest, ImageError> {
    key.try_into()
        .map(Digest::from_bytes)
        .map_err(|_| damaged("a key"))
}

/// Reads a record of this version; a later one is refused rather than misread.
fn record<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, ImageError> {
    #[derive(Deserialize)]
    struct Versioned {
        v: u32,
    }
    let Versioned { v } = serde_json::from_slice(value).map_err(|_| damaged("a record"))?;
    if v != VERSION {
        return Err(ImageError::LaterVersion { found: v });
    }
    serde_json::from_slice(value).map_err(|_| damaged("a record"))
}
