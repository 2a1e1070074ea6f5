//! Names for containers that nobody named: `adjective_surname`, in docker's manner, from lists of
//! this project's own.

use crate::ContainerName;

/// Friendly adjectives.
const ADJECTIVES: [&str; 96] = [
    "able", "agile", "airy", "alert", "amber", "ample", "apt", "arch", "avid", "awake", "balmy",
    "bold", "brave", "breezy", "bright", "brisk", "busy", "calm", "candid", "cheery", "chic",
    "civil", "clear", "clever", "cosy", "crisp", "curious", "dapper", "daring", "deft", "dreamy",
    "eager", "early", "earnest", "easy", "fair", "famed", "fancy", "fine", "fleet", "fluent",
    "fond", "frank", "fresh", "gentle", "glad", "golden", "grand", "happy", "hardy", "hearty",
    "honest", "humble", "ideal", "jolly", "jovial", "keen", "kind", "lively", "loyal", "lucid",
    "lucky", "mellow", "merry", "mighty", "modest", "neat", "nimble", "noble", "patient", "plucky",
    "polite", "prime", "proud", "quick", "quiet", "rapid", "ready", "robust", "rosy", "savvy",
    "serene", "sharp", "silver", "sleek", "smart", "snug", "steady", "sunny", "swift", "tidy",
    "upbeat", "vivid", "warm", "wise", "witty",
];

/// People who moved science and engineering forward.
const SURNAMES: [&str; 112] = [
    "abel",
    "agnesi",
    "allen",
    "ampere",
    "anning",
    "archimedes",
    "aryabhata",
    "babbage",
    "banach",
    "banneker",
    "bardeen",
    "bell",
    "berners",
    "bernoulli",
    "bohr",
    "boole",
    "bose",
    "boyle",
    "brahe",
    "cannon",
    "cantor",
    "carson",
    "carver",
    "cauchy",
    "cavendish",
    "celsius",
    "chandra",
    "chatelet",
    "clarke",
    "cori",
    "coulomb",
    "curie",
    "dalton",
    "darwin",
    "davy",
    "diesel",
    "dijkstra",
    "dirac",
    "edison",
    "einstein",
    "elion",
    "engelbart",
    "erdos",
    "euclid",
    "euler",
    "faraday",
    "fermat",
    "fermi",
    "feynman",
    "fleming",
    "floyd",
    "fourier",
    "franklin",
    "galileo",
    "galois",
    "gauss",
    "germain",
    "godel",
    "goodall",
    "hamilton",
    "hamming",
    "heisenberg",
    "hertz",
    "hilbert",
    "hoare",
    "hodgkin",
    "hopper",
    "hubble",
    "huygens",
    "hypatia",
    "joule",
    "kepler",
    "khayyam",
    "knuth",
    "kovalevskaya",
    "lagrange",
    "lamarr",
    "lamport",
    "leavitt",
    "leibniz",
    "liskov",
    "lovelace",
    "maxwell",
    "mayer",
    "mcclintock",
    "meitner",
    "mendel",
    "milner",
    "mirzakhani",
    "newton",
    "nightingale",
    "noether",
    "ohm",
    "pascal",
    "pasteur",
    "payne",
    "perlman",
    "planck",
    "poincare",
    "ramanujan",
    "ride",
    "rubin",
    "shannon",
    "somerville",
    "stallman",
    "tesla",
    "torvalds",
    "turing",
    "volta",
    "wing",
    "wu",
    "yonath",
];

/// Draws a name such as `brave_hopper`.
///
/// `attempt` counts the tries in which the name drawn was already taken; from the first retry on a
/// digit is appended, so that an engine full of containers still finds free names.
///
/// # Panics
/// If the kernel gives no random bytes, which it does only before its pool is ready.
#[must_use]
pub fn random_name(attempt: u32) -> ContainerName {
    let mut bytes = [0_u8; 5];
    getrandom::fill(&mut bytes).expect("the kernel has random bytes");
    let pick = |high: u8, low: u8, len: usize| usize::from(u16::from_be_bytes([high, low])) % len;
    let adjective = ADJECTIVES[pick(bytes[0], bytes[1], ADJECTIVES.len())];
    let surname = SURNAMES[pick(bytes[2], bytes[3], SURNAMES.len())];
    let name = if attempt == 0 {
        format!("{adjective}_{surname}")
    } else {
        format!("{adjective}_{surname}{}", bytes[4] % 10)
    };
    name.parse()
        .expect("words joined by an underscore are a name")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_pair_is_a_name_and_none_is_doubled() {
        let adjectives: HashSet<_> = ADJECTIVES.into_iter().collect();
        let surnames: HashSet<_> = SURNAMES.into_iter().collect();
        assert_eq!(adjectives.len(), ADJECTIVES.len());
        assert_eq!(surnames.len(), SURNAMES.len());
        for word in ADJECTIVES.into_iter().chain(SURNAMES) {
            assert!(
                word.bytes().all(|letter| letter.is_ascii_lowercase()),
                "{word}"
            );
        }
    }

    #[test]
    fn retries_append_a_digit() {
        assert!(
            !random_name(0)
                .as_str()
                .ends_with(|last: char| last.is_ascii_digit())
        );
        assert!(
            random_name(1)
                .as_str()
                .ends_with(|last: char| last.is_ascii_digit())
        );
    }
}
