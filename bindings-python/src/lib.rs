//! The Python module `confmesh._native`: registration and conversion, no decisions of its own.

use pyo3::prelude::*;

/// What `confmesh/__init__.py` re-exports.
#[pymodule]
mod _native {
    use super::*;

    /// The version of confmesh, for example `0.1.0`.
    #[pyfunction]
    fn version() -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
