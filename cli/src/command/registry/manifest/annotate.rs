//! `gantry manifest annotate`.

use anyhow::{Context as _, Result, bail};

use super::named;
use super::store::{Platform, Store};
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Add additional information to a local image manifest
#[derive(Debug, clap::Args)]
pub(crate) struct AnnotateManifest {
    /// Set architecture
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    arch: String,
    /// Set operating system
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    os: String,
    /// Set operating system feature
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    os_features: Vec<String>,
    /// Set operating system version
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    os_version: String,
    /// Set architecture variant
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    variant: String,
    #[arg(value_name = "MANIFEST_LIST")]
    args: Vec<String>,
}

/// What docker lets be annotated: pairs that Go once built for.
const KNOWN: &[(&str, &[&str])] = &[
    ("darwin", &["386", "amd64", "arm", "arm64"]),
    ("dragonfly", &["amd64"]),
    ("freebsd", &["386", "amd64", "arm"]),
    (
        "linux",
        &[
            "386", "amd64", "arm", "arm64", "mips64", "mips64le", "ppc64le", "riscv64", "s390x",
        ],
    ),
    ("netbsd", &["386", "amd64", "arm"]),
    ("openbsd", &["386", "amd64", "arm"]),
    ("plan9", &["386", "amd64"]),
    ("solaris", &["amd64"]),
    ("windows", &["386", "amd64"]),
];

impl Execute for AnnotateManifest {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let (target, image) = (&self.args[0], &self.args[1]);
        let list = named(target)
            .with_context(|| format!("annotate: error parsing name for manifest list {target}"))?;
        let name = named(image)
            .with_context(|| format!("annotate: error parsing name for manifest {image}"))?;
        let store = Store::of(cx.config.dir());
        let Some(mut manifest) = store.get(&list, &name)? else {
            bail!("manifest for image {image} does not exist in {target}");
        };
        let platform = manifest.descriptor.platform.get_or_insert_default();
        self.apply(platform);
        let known = KNOWN.iter().find(|(os, _)| *os == platform.os);
        if !known.is_some_and(|(_, known)| known.contains(&&*platform.architecture)) {
            // In docker's words, which are the flags'.
            let (os, arch) = (&self.os, &self.arch);
            bail!("manifest entry for image has unsupported os/arch combination: {os}/{arch}");
        }
        store.save(&list, &name, &manifest)?;
        Ok(Exit::SUCCESS)
    }
}

impl AnnotateManifest {
    fn apply(&self, platform: &mut Platform) {
        let set = |to: &mut String, given: &String| {
            if !given.is_empty() {
                to.clone_from(given);
            }
        };
        set(&mut platform.os, &self.os);
        set(&mut platform.architecture, &self.arch);
        set(&mut platform.variant, &self.variant);
        set(&mut platform.os_version, &self.os_version);
        for feature in &self.os_features {
            if !platform.os_features.contains(feature) {
                platform.os_features.push(feature.clone());
            }
        }
    }
}
