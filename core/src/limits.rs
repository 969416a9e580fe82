//! Bounds on everything that comes from outside, checked before memory is spent.

/// How deep a document may nest: deeper input would exhaust the stack of small threads and browsers.
pub const MAX_DEPTH: usize = 128;
/// How long a document's text may be, in bytes: far above any configuration, far below what hurts.
pub const MAX_TEXT_BYTES: usize = 64 << 20;
/// How many nodes YAML aliases may expand to: a few lines can otherwise describe billions.
pub const MAX_ALIAS_NODES: usize = 1_000_000;
/// How long one protocol frame may be, in bytes: a full document plus its metadata.
pub const MAX_FRAME_BYTES: usize = 80 << 20;
/// How many events wait for a slow subscriber before it is told that it lagged.
pub const MAX_QUEUED_EVENTS: usize = 1_024;
/// How many removed paths are remembered for `explain`.
pub const MAX_REMEMBERED_REMOVALS: usize = 1_024;
/// The key under which confmesh replicates its own settings; user documents may not use it.
pub const RESERVED_KEY: &str = "$confmesh";

/// How long the name of the person may be that a write is made for.
pub const MAX_USER_BYTES: usize = 256;
