//! `Any` as containerd writes it: the type URL is the bare message name.

use prost::{Message, Name};
use prost_types::Any;

/// Type URL of a runtime specification, as JSON.
pub const SPEC: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
/// Type URL of a runtime specification's process, as JSON.
pub const PROCESS: &str = "types.containerd.io/opencontainers/runtime-spec/1/Process";
/// Type URL of a runtime specification's resources, as JSON.
pub const LINUX_RESOURCES: &str =
    "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

/// Why an `Any` could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AnyError {
    /// It holds another message.
    #[error("expected {expected}, got {found:?}")]
    Type {
        /// The full name that was asked for.
        expected: String,
        /// The type URL that was found.
        found: String,
    },
    /// Its value is not that message.
    #[error("decode {name}")]
    Decode {
        /// The message's full name.
        name: String,
        /// What the decoder says.
        #[source]
        source: prost::DecodeError,
    },
}

/// Packs a message under its bare name (`containerd.events.TaskExit`).
#[must_use]
pub fn pack<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::full_name(),
        value: message.encode_to_vec(),
    }
}

/// Packs JSON under one of the type URLs above.
#[must_use]
pub fn pack_json(type_url: &str, json: Vec<u8>) -> Any {
    Any {
        type_url: type_url.to_owned(),
        value: json,
    }
}

/// Whether `any` holds an `M`, with or without `type.googleapis.com/` before its name.
#[must_use]
pub fn is<M: Name>(any: &Any) -> bool {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    name == M::full_name()
}

/// Unpacks a message.
///
/// # Errors
/// Another type, or a value that does not decode.
pub fn unpack<M: Message + Name + Default>(any: &Any) -> Result<M, AnyError> {
    if !is::<M>(any) {
        let expected = M::full_name();
        let found = any.type_url.clone();
        return Err(AnyError::Type { expected, found });
    }
    M::decode(any.value.as_slice()).map_err(|source| AnyError::Decode {
        name: M::full_name(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::{is, pack, unpack};
    use crate::containerd::events::{TaskExit, TaskStart};

    #[test]
    fn type_urls_are_bare_names() {
        let exit = TaskExit {
            container_id: "c".into(),
            exit_status: 137,
            ..TaskExit::default()
        };
        let any = pack(&exit);
        assert_eq!(any.type_url, "containerd.events.TaskExit");
        assert_eq!(unpack::<TaskExit>(&any).expect("same type"), exit);
        assert!(unpack::<TaskStart>(&any).is_err());
    }

    #[test]
    fn a_host_before_the_name_is_accepted() {
        let mut any = pack(&TaskStart::default());
        any.type_url = format!("type.googleapis.com/{}", any.type_url);
        assert!(is::<TaskStart>(&any));
    }
}
