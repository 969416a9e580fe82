//! Slices that clones share, each with the digest of what it holds once somebody asked.

use std::ops::Deref;
use std::sync::OnceLock;

use triomphe::{Arc, HeaderSlice};

use super::digest::Digest;

/// An immutable slice in one allocation with its digest; a clone counts.
#[derive(Clone)]
pub(super) struct Shared<T>(Arc<HeaderSlice<OnceLock<Digest>, [T]>>);

impl<T> Shared<T> {
    /// Of as many items as the iterator says that it has.
    pub(super) fn exactly(items: impl ExactSizeIterator<Item = T>) -> Shared<T> {
        Shared(Arc::from_header_and_iter(OnceLock::new(), items))
    }

    /// Whether both share their storage.
    pub(super) fn ptr_eq(&self, other: &Shared<T>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What it holds, to be changed, where nobody shares it.
    pub(super) fn get_mut(&mut self) -> Option<&mut [T]> {
        let own = Arc::get_mut(&mut self.0)?;
        own.header.take();
        Some(&mut own.slice)
    }

    /// The digest, which is made once.
    pub(super) fn digest(&self, make: impl FnOnce(&[T]) -> Digest) -> Digest {
        *self.0.header.get_or_init(|| make(&self.0.slice))
    }
}

impl<T: Clone> Shared<T> {
    /// What it holds, to be changed; what others share is copied first.
    pub(super) fn make_mut(&mut self) -> &mut [T] {
        if !self.0.is_unique() {
            *self = Shared::exactly(self.iter().cloned());
        }
        self.get_mut().unwrap_or_default()
    }
}

impl<T> Deref for Shared<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0.slice
    }
}

impl<T> From<Vec<T>> for Shared<T> {
    fn from(items: Vec<T>) -> Shared<T> {
        Shared(Arc::from_header_and_vec(OnceLock::new(), items))
    }
}

impl<T> FromIterator<T> for Shared<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Shared<T> {
        Shared::from(items.into_iter().collect::<Vec<T>>())
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Shared<T> {
        Shared::from(Vec::new())
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Shared<T>) -> bool {
        self.ptr_eq(other) || **self == **other
    }
}

impl<T: Eq> Eq for Shared<T> {}
