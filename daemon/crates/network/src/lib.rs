//! Container networks: bridge, sandboxes, addresses, published ports.
