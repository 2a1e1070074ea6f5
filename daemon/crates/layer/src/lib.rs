//! Layers: applying, storing and stacking them.
