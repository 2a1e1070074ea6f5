//! The gRPC contracts between the programs, in containerd's names.
