//! Who is called what: reservation of names, and lookup by name, id or unique id prefix.
//!
//! One mutex over two small maps, never held across a wait. A name is reserved before the record is
//! written and given back when that fails: two creations of one name can never both succeed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gantry_ids::{ContainerId, ContainerName};

/// Why a name or reference cannot be used; the texts are dockerd's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// Another container has the name.
    #[error(
        "Conflict. The container name \"/{name}\" is already in use by container \"{holder}\". You \
         have to remove (or rename) that container to be able to reuse that name."
    )]
    Conflict {
        name: ContainerName,
        holder: ContainerId,
    },
    /// Neither an id, nor a name, nor the beginning of an id.
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    /// The beginning of several ids.
    #[error("multiple IDs found with provided prefix: {0}")]
    Ambiguous(String),
}

#[derive(Debug, Default)]
struct Maps {
    by_name: HashMap<ContainerName, ContainerId>,
    by_id: BTreeMap<ContainerId, ContainerName>,
}

/// The registry; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Names {
    maps: Arc<Mutex<Maps>>,
}

impl Names {
    fn maps(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives `name` to container `id`, which loses the name it had.
    ///
    /// # Errors
    /// [`LookupError::Conflict`] when another container has it.
    pub fn reserve(&self, name: &ContainerName, id: &ContainerId) -> Result<(), LookupError> {
        let mut maps = self.maps();
        if let Some(holder) = maps.by_name.get(name) {
            return Err(LookupError::Conflict {
                name: name.clone(),
                holder: holder.clone(),
            });
        }
        if let Some(old) = maps.by_id.insert(id.clone(), name.clone()) {
            maps.by_name.remove(&old);
        }
        maps.by_name.insert(name.clone(), id.clone());
        Ok(())
    }

    /// Forgets a container and its name.
    pub fn release(&self, id: &ContainerId) {
        let mut maps = self.maps();
        if let Some(name) = maps.by_id.remove(id) {
            maps.by_name.remove(&name);
        }
    }

    /// The container that `reference` means: a full id, a name, then the beginning of one id.
    ///
    /// # Errors
    /// [`LookupError::NoSuchContainer`] or [`LookupError::Ambiguous`].
    pub fn resolve(&self, reference: &str) -> Result<ContainerId, LookupError> {
        let maps = self.maps();
        if let Some((id, _)) = maps.by_id.get_key_value(reference) {
            return Ok(id.clone());
        }
        let bare = reference.strip_prefix('/').unwrap_or(reference);
        if let Some(id) = maps.by_name.get(bare) {
            return Ok(id.clone());
        }
        let unknown = || LookupError::NoSuchContainer(reference.to_owned());
        if reference.is_empty() {
            return Err(unknown());
        }
        let from = (
            std::ops::Bound::Included(reference),
            std::ops::Bound::Unbounded,
        );
        let mut matches = maps
            .by_id
            .range::<str, _>(from)
            .map(|(id, _)| id)
            .take_while(|id| id.as_str().starts_with(reference));
        match (matches.next(), matches.next()) {
            (Some(id), None) => Ok(id.clone()),
            (Some(_), Some(_)) => Err(LookupError::Ambiguous(reference.to_owned())),
            (None, _) => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(start: &str) -> ContainerId {
        format!("{start:0<64}").parse().unwrap()
    }

    fn name(text: &str) -> ContainerName {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_has_one_holder() {
        let names = Names::default();
        names.reserve(&name("web"), &id("aa11")).unwrap();
        let error = names
            .reserve(&name("web"), &id("bb22"))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(
            "Conflict. The container name \"/web\" is already in use by container \"aa11"
        ));
        names.release(&id("aa11"));
        names.reserve(&name("web"), &id("bb22")).unwrap();
    }

    #[test]
    fn renaming_frees_the_old_name() {
        let names = Names::default();
        names.reserve(&name("old"), &id("aa11")).unwrap();
        names.reserve(&name("new"), &id("aa11")).unwrap();
        assert_eq!(names.resolve("new").unwrap(), id("aa11"));
        assert!(names.resolve("old").is_err());
    }

    #[test]
    fn references_are_ids_names_then_prefixes() {
        let names = Names::default();
        names.reserve(&name("web"), &id("aa11")).unwrap();
        names.reserve(&name("aa"), &id("ab22")).unwrap();
        assert_eq!(
            names.resolve("aa").unwrap(),
            id("ab22"),
            "a name wins over a prefix"
        );
        assert_eq!(names.resolve("/web").unwrap(), id("aa11"));
        assert_eq!(names.resolve("aa1").unwrap(), id("aa11"));
        assert_eq!(names.resolve("a"), Err(LookupError::Ambiguous("a".into())));
        assert_eq!(
            names.resolve("zz").unwrap_err().to_string(),
            "No such container: zz"
        );
        assert!(names.resolve("").is_err());
    }
}
