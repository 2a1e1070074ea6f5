//! The Docker Engine API's types, shared by gantryd and gantry.
