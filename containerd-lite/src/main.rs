//! The container supervisor, with containerd's gRPC services.

fn main() {}
