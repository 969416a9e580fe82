//! Bounds on everything that comes from outside, checked before memory is spent.

/// How deep a document may nest: deeper input would exhaust the stack of small threads and browsers.
pub const MAX_DEPTH: usize = 128;
/// How long a document's text may be, in bytes: far above any configuration, far below what hurts.
pub const MAX_TEXT_BYTES: usize = 64 << 20;
/// How many nodes YAML aliases may expand to: a few lines can otherwise describe billions.
pub const MAX_ALIAS_NODES: usize = 1_000_000;
/// How many bytes of text YAML aliases may expand to: one long text that many name is few nodes and much text.
pub const MAX_ALIAS_BYTES: usize = 16 << 20;
/// How long one protocol frame may be, in bytes: a full document plus its metadata.
pub const MAX_FRAME_BYTES: usize = 80 << 20;
/// From how many bytes on a frame between instances is compressed: shorter ones fit into one packet anyway.
pub const COMPRESS_MIN_BYTES: usize = 1_024;
/// What a compressed frame may come to, in bytes; more is sent as it is. Deltas are split far below.
pub const MAX_INFLATED_BYTES: usize = 8 << 20;
/// How many times as long a frame may get by decompressing it: configuration compresses to a tenth, a bomb to a thousandth.
pub const MAX_INFLATE_RATIO: usize = 128;
/// How many bytes of a frame may come of references to what it holds once: paths that begin alike, contexts that differ
/// little.
pub const MAX_EXPANSION_BYTES: usize = 256 << 20;
/// From how many bytes on a delta is sent in parts, measured in its longest form; a single write is never split.
pub const PART_BYTES: usize = 4 << 20;
/// What the parts of one delta may come to, in bytes in their longest form.
pub const MAX_DELTA_BYTES: usize = 1 << 30;
/// How many writes one delta may carry.
pub const MAX_DELTA_ITEMS: usize = 1 << 20;
/// How many authors one document may have: every version vector names them all, on every instance and for good.
pub const MAX_AUTHORS: usize = 65_536;
/// How many members a document may have whose history is dropped: all of them have to be reached for that.
pub const MAX_MEMBERS: usize = 1_024;
/// From how many authors on nobody begins to write under another name. The rest is room for those who began at the same time.
pub const MAX_NEW_AUTHORS: usize = MAX_AUTHORS - 4_096;
/// How many names each side of a connection keeps in order to receive them as numbers.
pub const MAX_LEARNED_NAMES: usize = 16_384;
/// How long these names may be together, in bytes.
pub const MAX_LEARNED_BYTES: usize = 1 << 20;
/// How many events wait for a slow subscriber before it is told that it lagged.
pub const MAX_QUEUED_EVENTS: usize = 1_024;
/// How many entries of the audit trail are kept for those who ask; the log has them all.
pub const MAX_AUDIT_ENTRIES: usize = 1_024;
/// How many stretches of numbers the run of a conditional write names, of what it was built on and of what was lost.
pub const MAX_RUN: usize = 64;
/// How many removed paths are remembered for `explain`.
pub const MAX_REMEMBERED_REMOVALS: usize = 1_024;
/// How many patterns one subscription over the network may have: each is tried for each change.
pub const MAX_PATTERNS: usize = 64;
/// How long these patterns may be together, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4_096;
/// How many `**` one of them may have: each multiplies the ways to match.
pub const MAX_DEEP_PARTS: usize = 4;
/// How long a text may be that a pattern of a schema is compared with, in bytes: the time grows with both.
pub const MAX_MATCHED_BYTES: usize = 64 << 10;
/// The key under which confmesh replicates its own settings; user documents may not use it.
pub const RESERVED_KEY: &str = "$confmesh";

/// How long the name of the person may be that a write is made for.
pub const MAX_USER_BYTES: usize = 256;
/// How long the words may be that say why a write is made.
pub const MAX_MESSAGE_BYTES: usize = 512;
