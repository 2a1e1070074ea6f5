//! Repositories fetched by the host's `git`.

mod fetch;
mod hostile;
mod made;
