//! Platforms by containerd's names: `linux/amd64`, `arm64`, `linux/arm/v7`.

/// An operating system and an architecture, with Go's names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v7`; mostly empty.
    pub variant: String,
}

impl Platform {
    /// Reads a platform; a part left out is the host's.
    ///
    /// # Errors
    /// What containerd says of a malformed one.
    pub fn parse(text: &str, host: &Self) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_part = |part: &str| {
            let fine = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
            !part.is_empty() && part.chars().all(fine)
        };
        // containerd splits off four parts at most, so a fifth belongs to the fourth.
        let shown: Vec<String> = if parts.len() > 3 {
            let rest = parts[3..].join("/");
            parts[..3]
                .iter()
                .map(|part| (*part).to_owned())
                .chain([rest])
                .collect()
        } else {
            parts.iter().map(|part| (*part).to_owned()).collect()
        };
        if let Some(bad) = shown.iter().find(|part| !is_part(part)) {
            return Err(format!(
                "{bad:?} is an invalid component of {text:?}: platform specifier component must match \"^[A-Za-z0-9_.-]+$\": invalid argument"
            ));
        }
        let lower: Vec<String> = shown.iter().map(|part| part.to_lowercase()).collect();
        let platform = match lower.as_slice() {
            [one] if is_system(one) => Self::new(one, &host.architecture, &host.variant),
            [one] if is_architecture(one) => Self::new(&host.os, one, ""),
            [_] => {
                return Err(format!(
                    "{text:?}: unknown operating system or architecture: invalid argument"
                ));
            }
            [os, architecture] => Self::new(os, architecture, ""),
            [os, architecture, variant] => Self::new(os, architecture, variant),
            _ => {
                return Err(format!(
                    "{text:?}: cannot parse platform specifier: invalid argument"
                ));
            }
        };
        Ok(platform.normalized())
    }

    /// A platform of its parts.
    #[must_use]
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// The usual name of each part.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        if self.os == "macos" {
            self.os = "darwin".to_owned();
        }
        let (architecture, variant) = match (self.architecture.as_str(), self.variant.as_str()) {
            ("i386", _) => ("386", ""),
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("arm", "" | "7") => ("arm", "v7"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "6") => ("arm", "v6"),
            ("arm", "8") => ("arm", "v8"),
            _ => return self,
        };
        let (architecture, variant) = (architecture.to_owned(), variant.to_owned());
        self.architecture = architecture;
        self.variant = variant;
        self
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(formatter, "/{}", self.variant)?;
        }
        Ok(())
    }
}

fn is_system(name: &str) -> bool {
    const SYSTEMS: [&str; 9] = [
        "linux", "windows", "darwin", "macos", "freebsd", "netbsd", "openbsd", "solaris", "android",
    ];
    SYSTEMS.contains(&name)
}

pub(crate) fn is_architecture(name: &str) -> bool {
    const ARCHITECTURES: [&str; 18] = [
        "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64",
        "ppc64le", "riscv64", "s390x", "wasm", "aarch64", "x86_64", "armhf", "i386",
    ];
    ARCHITECTURES.contains(&name)
}
