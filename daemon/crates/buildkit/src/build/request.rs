//! What is made of a build: exporters, read.

use std::collections::BTreeMap;

use gantry_build::Export;
use gantry_ids::ImageRef;

/// An exporter that is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExporterError {
    /// Nobody knows it.
    #[error("exporter {0:?} is not supported")]
    Kind(String),
    /// It was asked for something it cannot do.
    #[error("the option {name}={value:?} of the exporter {kind:?} is not supported")]
    Option {
        /// The exporter.
        kind: String,
        /// The option's name.
        name: String,
        /// Its value.
        value: String,
    },
    /// The image's name is none.
    #[error("failed to parse {name}: invalid reference format")]
    Name {
        /// The name.
        name: String,
    },
}

/// What is made of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exporter {
    /// An image in the store, with names.
    Image(Vec<ImageRef>),
    /// The files, into a directory of the client.
    Directory,
    /// The files, as a tar for the client.
    Tar,
}

impl Exporter {
    /// Reads an exporter.
    ///
    /// # Errors
    /// It is not known, or one of its options is not.
    pub fn read(kind: &str, options: &BTreeMap<String, String>) -> Result<Self, ExporterError> {
        match kind {
            "moby" | "image" => Self::image(kind, options),
            "local" | "tar" => {
                if let Some((name, value)) = options.first_key_value() {
                    return Err(option(kind, name, value));
                }
                Ok(if kind == "tar" {
                    Self::Tar
                } else {
                    Self::Directory
                })
            }
            _ => Err(ExporterError::Kind(kind.to_owned())),
        }
    }

    fn image(kind: &str, options: &BTreeMap<String, String>) -> Result<Self, ExporterError> {
        let mut names = Vec::new();
        for (name, value) in options {
            match name.as_str() {
                "name" => {
                    for name in value.split(',').filter(|name| !name.is_empty()) {
                        let parsed = name.parse::<ImageRef>();
                        let parsed = parsed.map_err(|_| ExporterError::Name {
                            name: name.to_owned(),
                        })?;
                        names.push(parsed.with_default_tag());
                    }
                }
                // What happens anyway.
                "store" | "unpack" if value == "true" => {}
                "push" if value == "false" => {}
                _ => return Err(option(kind, name, value)),
            }
        }
        Ok(Self::Image(names))
    }

    /// What the solver has to make for it.
    #[must_use]
    pub fn export(&self) -> Export {
        match self {
            Self::Image(names) => Export::Image {
                names: names.clone(),
            },
            Self::Directory | Self::Tar => Export::Files,
        }
    }
}

fn option(kind: &str, name: &str, value: &str) -> ExporterError {
    ExporterError::Option {
        kind: kind.to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exporters_are_read_and_unknown_ones_refused() {
        let options = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(own).collect()
        };
        let image = Exporter::read("moby", &options(&[("name", "plain:1,other")])).unwrap();
        let Exporter::Image(names) = image else {
            panic!("an image");
        };
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "docker.io/library/plain:1",
                "docker.io/library/other:latest"
            ]
        );
        let none = BTreeMap::new();
        assert_eq!(Exporter::read("local", &none), Ok(Exporter::Directory));
        assert_eq!(Exporter::read("tar", &none), Ok(Exporter::Tar));
        for (kind, pairs, said) in [
            ("docker", &[][..], "exporter \"docker\" is not supported"),
            (
                "image",
                &[("push", "true")],
                "the option push=\"true\" of the exporter \"image\" is not supported",
            ),
            (
                "moby",
                &[("name", "A:b:c")],
                "failed to parse A:b:c: invalid reference format",
            ),
        ] {
            let error = Exporter::read(kind, &options(pairs)).unwrap_err();
            assert_eq!(error.to_string(), said);
        }
    }
}
