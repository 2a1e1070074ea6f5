//! Identifiers, names and references that every program parses at its edge.
