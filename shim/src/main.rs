//! One per container: its parent, the owner of its stdio, the keeper of its exit status.

fn main() {}
