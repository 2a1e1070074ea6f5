//! `rmi` and `prune`: docker's rules for what goes and what is in the way.

mod prune;

use gantry_ids::{ContainerId, ImageId, ImageQuery, ImageRef};
use gantry_layer::{ChainId, LayerStore};

use crate::store::{Change, ImageStore, UsedBy};
use crate::{Image, ImageError};

/// A container that uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUse {
    /// Which container.
    pub id: ContainerId,
    /// Whether it runs.
    pub running: bool,
}

/// How to remove an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Over stopped containers and several tags.
    pub force: bool,
    /// Keep parents that nothing else needs.
    pub keep_parents: bool,
}

/// One thing that was removed, in the order docker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A reference (event `untag`).
    Untagged {
        /// The reference.
        reference: ImageRef,
        /// The image it meant.
        image: ImageId,
    },
    /// An image (event `delete`).
    Image(ImageId),
    /// A layer that nothing needs any more.
    Layer(ChainId),
}

/// Which images `prune` looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneFilter {
    /// Tagged images too, if no container uses them.
    pub all: bool,
    /// Only images made before this time (seconds since 1970).
    pub until_s: Option<i64>,
    /// Only images with these labels: name and value, or any value.
    pub labels: Vec<(String, Option<String>)>,
    /// Only images without these labels.
    pub not_labels: Vec<(String, Option<String>)>,
    /// Only these images; empty: any.
    pub among: Vec<ImageId>,
}

/// What `prune` removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Everything removed.
    pub removed: Vec<Removed>,
    /// Bytes of the removed layers.
    pub reclaimed_bytes: u64,
}

/// What may stand in the way of deleting an image.
#[derive(Debug, Clone, Copy)]
struct Heed {
    /// Names that still mean it.
    names: bool,
    /// Stopped containers.
    stopped: bool,
}

impl Heed {
    const ALL: Self = Self {
        names: true,
        stopped: true,
    };
    /// With force only running containers and children count.
    const HARD: Self = Self {
        names: false,
        stopped: false,
    };
}

/// Why an image cannot be deleted.
struct Obstacle {
    error: ImageError,
    /// Whether a container is the reason.
    is_used: bool,
}

impl<L: LayerStore> ImageStore<L> {
    /// Removes a name, and the image with its last name, by docker's rules.
    ///
    /// # Errors
    /// [`ImageError::NoSuchImage`], [`ImageError::Conflict`], [`ImageError::Metadata`].
    pub fn remove(
        &self,
        text: &str,
        options: RemoveOptions,
        used_by: UsedBy<'_>,
    ) -> Result<Vec<Removed>, ImageError> {
        let _writer = self.write_lock();
        let image = self.find(text)?;
        let mut removal = Removal {
            store: self,
            used_by,
            keep_parents: options.keep_parents,
            removed: Vec::new(),
        };
        match named(&image, text) {
            Some(name) => removal.by_name(&image, text, &name, options.force)?,
            None => removal.by_id(&image, options.force)?,
        }
        let removed = removal.removed;
        self.tidy()?;
        Ok(removed)
    }
}

/// The name of the image that `text` is; none if `text` is its identifier or the beginning of it.
fn named(image: &Image, text: &str) -> Option<ImageRef> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if image.id.digest().hex().starts_with(digits) {
        return None;
    }
    match text.parse() {
        Ok(ImageQuery::Named(name)) => Some(match name.digest() {
            Some(digest) => name.with_digest(*digest),
            None => name.with_default_tag(),
        }),
        _ => None,
    }
}

/// Whether removing all the names is one wish: one tag, or digests of that tag's repository.
fn is_single(image: &Image) -> bool {
    match (&*image.tags, &*image.digests) {
        ([], []) | ([_], []) | ([], [_]) => true,
        ([tag], digests) => digests.iter().all(|digest| digest.same_repository(tag)),
        ([], [first, rest @ ..]) => rest.iter().all(|digest| digest.same_repository(first)),
        _ => false,
    }
}

/// A removal under way.
struct Removal<'a, L: LayerStore> {
    store: &'a ImageStore<L>,
    used_by: UsedBy<'a>,
    keep_parents: bool,
    removed: Vec<Removed>,
}

impl<L: LayerStore> Removal<'_, L> {
    fn by_name(
        &mut self,
        image: &Image,
        text: &str,
        name: &ImageRef,
        force: bool,
    ) -> Result<(), ImageError> {
        let others = self.others(image, name);
        let all = std::iter::once(&image.id).chain(&others);
        let mut used =
            all.filter_map(|id| Some((*id, (self.used_by)(id).first()?.id.short().to_owned())));
        if !force
            && is_single(image)
            && let Some((used, user)) = used.next()
        {
            return Err(ImageError::Conflict(format!(
                "unable to remove repository reference {text:?} (must force) - container {user} is \
                 using its referenced image {}",
                used.short()
            )));
        }
        self.untag(image, name)?;
        // Digests of a repository stay only as long as one of its tags does.
        let tag_stays = image
            .tags
            .iter()
            .any(|tag| tag != name && tag.same_repository(name));
        if name.digest().is_none() && !tag_stays {
            for digest in image
                .digests
                .iter()
                .filter(|digest| digest.same_repository(name))
            {
                self.untag(image, digest)?;
            }
        }
        for id in std::iter::once(image.id).chain(others) {
            if let Some(image) = self.store.get(&id).filter(|image| image.is_dangling()) {
                self.delete(&image, force, true)?;
            }
        }
        Ok(())
    }

    /// The images of other platforms that have the same name.
    fn others(&self, image: &Image, name: &ImageRef) -> Vec<ImageId> {
        let all = self.store.variants(name).map(|all| all.images);
        let ids = all.unwrap_or_default().into_iter().map(|one| one.image);
        ids.filter(|id| *id != image.id).collect()
    }

    fn by_id(&mut self, image: &Image, force: bool) -> Result<(), ImageError> {
        if is_single(image) {
            let heed = if force {
                Heed::HARD
            } else {
                Heed {
                    names: false,
                    stopped: true,
                }
            };
            if let Some(obstacle) = self.obstacle(image, heed) {
                return Err(obstacle.error);
            }
            self.untag_all(image)?;
        }
        match self.store.get(&image.id) {
            Some(image) => self.delete(&image, force, false),
            None => Ok(()),
        }
    }

    /// Deletes an image and, unless they are to be kept, its parents that nothing else needs. With
    /// `quietly`, something in the way is no error as long as the image does not become an orphan.
    fn delete(&mut self, image: &Image, force: bool, quietly: bool) -> Result<(), ImageError> {
        let heed = if force { Heed::HARD } else { Heed::ALL };
        if let Some(obstacle) = self.obstacle(image, heed) {
            let is_orphan = image.is_dangling() && !self.store.index().has_children(&image.id);
            if quietly && (!is_orphan || obstacle.is_used) {
                return Ok(());
            }
            return Err(obstacle.error);
        }
        self.untag_all(image)?;
        self.store
            .change(vec![Change::DeleteImage { id: image.id }])?;
        self.removed.push(Removed::Image(image.id));
        let layers = self.store.release_layers(image.config.chain())?;
        self.removed.extend(layers.into_iter().map(Removed::Layer));
        let parent = image.parent.filter(|_| !self.keep_parents);
        match parent.and_then(|parent| self.store.get(&parent)) {
            Some(parent) => self.delete(&parent, false, true),
            None => Ok(()),
        }
    }

    fn obstacle(&self, image: &Image, heed: Heed) -> Option<Obstacle> {
        let conflict = |force: &str, reason: String, is_used: bool| {
            let id = image.id.short();
            let text = format!("unable to delete {id} ({force}) - {reason}");
            Some(Obstacle {
                error: ImageError::Conflict(text),
                is_used,
            })
        };
        if self.store.index().has_children(&image.id) {
            let reason = "image has dependent child images".to_owned();
            return conflict("cannot be forced", reason, false);
        }
        let users = (self.used_by)(&image.id);
        if let Some(user) = users.iter().find(|user| user.running) {
            let reason = format!(
                "image is being used by running container {}",
                user.id.short()
            );
            return conflict("cannot be forced", reason, true);
        }
        if heed.names && !image.is_dangling() {
            let reason = "image is referenced in multiple repositories".to_owned();
            return conflict("must be forced", reason, false);
        }
        let user = users.first().filter(|_| heed.stopped)?;
        let reason = format!(
            "image is being used by stopped container {}",
            user.id.short()
        );
        conflict("must be forced", reason, true)
    }

    /// Takes all names from an image; other platforms of theirs keep them.
    fn untag_all(&mut self, image: &Image) -> Result<(), ImageError> {
        let mut names: Vec<_> = image.tags.iter().chain(&image.digests).collect();
        names.sort_by_cached_key(ToString::to_string);
        for name in names {
            let changes = self.store.untag_changes(&image.id, name);
            let is_gone = matches!(changes[..], [Change::DeleteReference { .. }]);
            self.store.change(changes)?;
            if is_gone {
                self.told(image, name);
            }
        }
        Ok(())
    }

    /// Removes a name, whatever platforms it has.
    fn untag(&mut self, image: &Image, name: &ImageRef) -> Result<(), ImageError> {
        self.store.change(vec![Change::DeleteReference {
            reference: name.clone(),
        }])?;
        self.told(image, name);
        Ok(())
    }

    fn told(&mut self, image: &Image, name: &ImageRef) {
        self.removed.push(Removed::Untagged {
            reference: name.clone(),
            image: image.id,
        });
    }
}
