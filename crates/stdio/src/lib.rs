//! The contract for a container's stdio between the engine and the shim.
