//! What the steps of a build do to files.
//!
//! A step's files come from one tree (the context, a stage, an image) and go to another (the root
//! of the stage). Both are directories behind descriptors, and every path is resolved by the kernel
//! as if the tree's root were `/`: no name and no link leads out. What is copied where follows
//! BuildKit; the tests compare with trees that it made.
//!
//! Deliberately not here: which steps there are (`gantry-dockerfile`), running programs, layers.

mod copy;
mod error;
mod owner;
mod select;
mod tree;

pub use copy::{copy, make_directory};
pub use error::CopyError;
pub use owner::Owner;
pub use tree::Tree;
