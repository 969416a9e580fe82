//! confmesh merges configuration from many places, explains every value, and keeps every instance in agreement.
pub mod error;
pub mod id;
pub mod limits;
// The gate: what lies below touches the world, and everything else only decides.
#[cfg(all(feature = "native", not(target_family = "wasm")))]
pub mod native;
pub mod origin;
pub mod path;
pub mod pattern;
pub mod value;

pub use error::{Code, Error, Kind, Result};
pub use path::Path;
pub use pattern::Pattern;
pub use value::Value;
