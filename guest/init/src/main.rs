//! The tiny init that run --init puts in front of the container's program.

fn main() {}
