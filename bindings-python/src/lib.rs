//! The Python module `confmesh._native`: registration and conversion, no decisions of its own.

mod answer;
mod broker;
mod change;
mod convert;
mod ending;
mod error;
mod explanation;
mod feed;
mod fork;
mod functions;
mod kafka;
mod live;
mod merged;
mod notify;
mod replica;
mod report;
mod schema;
mod settling;
mod source;
mod variables;

use pyo3::prelude::*;

/// What `confmesh/__init__.py` re-exports.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::answer::Answer;
    #[pymodule_export]
    use super::broker::{Broker, value_filter, value_place, value_topic};
    #[pymodule_export]
    use super::change::Change;
    #[pymodule_export]
    use super::ending::end;
    #[pymodule_export]
    use super::error::unraisable;
    #[pymodule_export]
    use super::explanation::Explanation;
    #[pymodule_export]
    use super::feed::Feed;
    #[pymodule_export]
    use super::fork::forked;
    #[pymodule_export]
    use super::functions::{
        canonical, changes, diff, dump, explain, hash, interpolate, matches, merge, merge_patch, merge_patch_between,
        parse, parse_path, patch, profiles, rewrite, three_way, version,
    };
    #[pymodule_export]
    use super::kafka::{KafkaReader, KafkaWriter};
    #[pymodule_export]
    use super::live::{Live, open_files, rebuild, restore, start_mesh};
    #[pymodule_export]
    use super::merged::Merged;
    #[pymodule_export]
    use super::replica::Replica;
    #[pymodule_export]
    use super::report::Report;
    #[pymodule_export]
    use super::schema::Schema;
    #[pymodule_export]
    use super::settling::{
        resolve, sequence_apply, sequence_between, sequence_compose, sequence_invert, sequence_transform, view_deltas,
    };
    #[pymodule_export]
    use super::variables::Variables;
}
