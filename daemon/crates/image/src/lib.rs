//! Images: the content store, references, load and import.
