//! Logging and tracing set-up with the workspace's field names.
