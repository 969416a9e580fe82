//! confmesh merges configuration from many places, explains every value, and keeps every instance in agreement.
pub mod backoff;
pub mod canonical;
pub mod clock;
pub mod conflict;
pub mod diff;
pub mod engine;
pub mod error;
pub mod format;
pub mod id;
pub mod limits;
pub mod merge;
// The gate: what lies below touches the world, and everything else only decides.
#[cfg(all(feature = "native", not(target_family = "wasm")))]
pub mod native;
pub mod origin;
pub mod path;
pub mod pattern;
pub mod policy;
pub mod protocol;
pub mod replica;
pub mod schema;
pub mod value;

pub use error::{Code, Error, Kind, Result};
#[cfg(all(feature = "native", not(target_family = "wasm")))]
pub use native::mesh::{Answer, Config, Mesh, MeshOptions, Notification, OpenOptions, Subscription, open};
pub use path::Path;
pub use pattern::Pattern;
pub use policy::Policy;
pub use value::Value;
