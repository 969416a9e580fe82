//! What instances and clients say to each other.
//!
//! Two families share a socket:
//!
//! - **replicas** exchange `hello`, `delta`, `delta_part`, `pull`, `ack` and `heartbeat`;
//! - **guests** use the `config_*` family: `subscribe`, `config_request`, `config_change`, and get `config_response`,
//!   `config_update` (a change list), `config_sync` (one key) and `config_change_response`. What shows a document says in
//!   `seen` (a map of author to number) which shared writes it shows. A `config_change` may repeat the `seen` that it was
//!   made on, with `old_value` (what was there; left out where nothing was), `age_ms` (how long ago) and `after` (the
//!   `request_id` of the change made before it): it is then concurrent to all that came since. `config_locked` and
//!   `config_unlocked` tell who holds a lock (`config_key`, `user_id`, `token`), and who no longer does.
//!
//! A `call` from a replica asks for a lock on behalf of somebody there, and is passed on to whoever grants them; its `answer`
//! comes back the same way.
//!
//! Every message has a JSON form, one object a text frame: `{v: 1, type, event_id, instance_id, timestamp, hlc, …}`. Unknown
//! fields are ignored, an unknown type is answered with an error, and a bad frame never ends a connection. `event_id`,
//! `timestamp` and `hlc` are for people and other programs; instances decide nothing by them.
//!
//! # Between replicas
//!
//! A `hello` is always JSON, so that every version can read it, and so is a `heartbeat`, whose time is compared. It says what its sender can read:
//!
//! | field | values | without it |
//! |---|---|---|
//! | `versions` | numbers; the highest common one is spoken | the hello is refused |
//! | `codecs` | `binary1`, `json`, the best first | JSON, and whole deltas only |
//! | `compress` | `deflate` | nothing is compressed |
//!
//! It also says who its sender is: `key` (its public key), `nonce` (what the receiver has to sign) and, once the receiver's
//! nonce is known, `proof`, the signature of [`crate::identity::Meeting`]. Where the first hello of a side came too early for
//! that, one without documents brings it. Names in `documents` are believed where they are of that key. `rules` of a document
//! is a short name of the rules that its sender's writes carry: where they differ, both sides say so beside the peer.
//!
//! Each side then writes the best that both can. Without a common version both say so, naming the versions of both, and
//! exchange no writes; everything else on the connection goes on. `binary1` is described in `protocol/binary`:
//!
//! | bytes | JSON | `binary1` | names known | compressed |
//! |---|---|---|---|---|
//! | one live write of a 12-byte text | 566 | 70 to 90, by its path | 30 | |
//! | the state of 10,000 keys, each written once | 1,928,081 | 211,964 | 211,930 | 27,063 |
//!
//! A frame of 1,024 bytes or more ([`crate::limits::COMPRESS_MIN_BYTES`]) is compressed where that makes it smaller. A
//! delta of 4 MiB or more in its longest form is sent in parts ([`split`]), which the receiver joins before it applies
//! anything ([`Joining`]).

mod binary;
mod codec;
mod compress;
mod frame;
mod lock_news;
mod message;
mod part;
mod session;
mod standing;
mod wire;

pub use codec::{Envelope, decode, encode, sent_ms};
pub use frame::{Frame, FrameRef};
pub use message::{Greeting, LockNews, Message, Pulse};
pub use part::{Joining, Part, split};
pub use session::ReplicaLink;
pub use standing::{MAX_GIVEN_UP, Meeting, Standing};
pub use wire::{BINARY, DEFLATE, Encoder, JSON, Offer, Shared, VERSIONS, Wire, WireOptions};

/// The protocol version that this build speaks.
pub const VERSION: u64 = 1;
