//! The registry client against registries: Debian's `docker-registry`, and one that lies.

mod corpus;
mod fake;
mod hostile;
mod lists;
mod packed;
mod peer;
mod platforms;
mod proxied;
mod pull;
mod push;
mod stand;
