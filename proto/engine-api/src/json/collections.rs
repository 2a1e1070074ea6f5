//! Slices and maps that remember whether they are nil, as Go's do.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

/// A Go slice: `null` on the wire when it was never set, `[]` when it was set to nothing.
///
/// Reads as a plain slice: code that only wants the elements need not know the difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent, bound(deserialize = "T: Deserialize<'de>"))]
pub struct List<T>(Option<Vec<T>>);

impl<T> List<T> {
    /// A slice that is set, and empty: `[]`.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Some(Vec::new()))
    }

    /// Whether the slice was never set (`null`).
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it holds nothing, nil or not: Go's `omitempty`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// The elements.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Adds an element; a nil slice becomes a set one.
    pub fn push(&mut self, element: T) {
        self.0.get_or_insert_default().push(element);
    }

    /// The elements as a vector.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0.unwrap_or_default()
    }
}

impl<T> Default for List<T> {
    /// Nil.
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Deref for List<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(elements: Vec<T>) -> Self {
        Self(Some(elements))
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self(Some(elements.into_iter().collect()))
    }
}

impl<T> IntoIterator for List<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.as_slice().iter()
    }
}

/// A Go map with string keys, written in the order of its keys; nil (`null`) and empty (`{}`) are
/// told apart, as with [`List`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent, bound(deserialize = "V: Deserialize<'de>"))]
pub struct Map<V>(Option<BTreeMap<String, V>>);

/// What a nil map reads as.
struct NilMap<V>(std::marker::PhantomData<V>);

impl<V: 'static> NilMap<V> {
    const EMPTY: &'static BTreeMap<String, V> = &BTreeMap::new();
}

impl<V> Map<V> {
    /// A map that is set, and empty: `{}`.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Some(BTreeMap::new()))
    }

    /// Whether the map was never set (`null`).
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it holds nothing, nil or not: Go's `omitempty`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(BTreeMap::is_empty)
    }

    /// The entries as a map of their own.
    #[must_use]
    pub fn into_inner(self) -> BTreeMap<String, V> {
        self.0.unwrap_or_default()
    }
}

impl<V> Default for Map<V> {
    /// Nil.
    fn default() -> Self {
        Self(None)
    }
}

impl<V: 'static> Deref for Map<V> {
    type Target = BTreeMap<String, V>;
    fn deref(&self) -> &Self::Target {
        self.0.as_ref().unwrap_or(NilMap::<V>::EMPTY)
    }
}

impl<V: 'static> DerefMut for Map<V> {
    /// A nil map becomes a set one.
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0.get_or_insert_default()
    }
}

impl<V> From<BTreeMap<String, V>> for Map<V> {
    fn from(entries: BTreeMap<String, V>) -> Self {
        Self(Some(entries))
    }
}

impl<V> FromIterator<(String, V)> for Map<V> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(entries: I) -> Self {
        Self(Some(entries.into_iter().collect()))
    }
}

impl<V> IntoIterator for Map<V> {
    type Item = (String, V);
    type IntoIter = std::collections::btree_map::IntoIter<String, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.into_inner().into_iter()
    }
}

impl<'a, V: 'static> IntoIterator for &'a Map<V> {
    type Item = (&'a String, &'a V);
    type IntoIter = std::collections::btree_map::Iter<'a, String, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Go's `struct{}`, the value of a map that is a set: `{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}
