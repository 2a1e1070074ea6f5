//! What kind of failure an error is, and how a chain of causes is told.
