//! The stack as a whole, driven by stock clients and by ours.
