//! This file is where state has shape: tables with a tag, a key type and a value type, over flat keys and values.

use crate::Draft;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{State, decode, encode, invariant};
use std::marker::PhantomData;

/// A table: all keys that begin with its tag.
///
/// Tags below 0x80 are in the authenticated tree, and so provable one by one. Tags from 0x80 on are flat: as much part of
/// the state and of its root as the others, but by one digest of all of them, so that nobody can be shown that such a row
/// is there, or that it isn't. They are for what only execution itself asks. Tag 0 is that digest's.
pub struct Table<K, V> {
    tag: u8,
    types: PhantomData<fn(K) -> V>,
}

impl<K: BorshSerialize, V: BorshSerialize + BorshDeserialize> Table<K, V> {
    /// The table with this tag; `cargo xtask tidy` refuses a tag that is taken.
    #[must_use]
    pub const fn new(tag: u8) -> Self {
        Self { tag, types: PhantomData }
    }

    /// The flat key of a row, as proofs name it.
    #[must_use]
    pub fn key(&self, key: &K) -> Vec<u8> {
        let mut bytes = vec![self.tag];
        bytes.extend_from_slice(&encode(key));
        bytes
    }

    /// The row at `key`.
    #[must_use]
    pub fn get(&self, state: &dyn State, key: &K) -> Option<V> {
        state.get(&self.key(key)).map(|bytes| decode_row(self.tag, &bytes))
    }

    /// Whether there is a row at `key`.
    #[must_use]
    pub fn has(&self, state: &dyn State, key: &K) -> bool {
        state.get(&self.key(key)).is_some()
    }

    /// Sets the row at `key`.
    pub fn put(&self, draft: &mut Draft<'_>, key: &K, value: &V) {
        draft.put(self.key(key), encode(value));
    }

    /// Removes the row at `key`.
    pub fn remove(&self, draft: &mut Draft<'_>, key: &K) {
        draft.remove(self.key(key));
    }
}

/// A value of which there is one.
pub struct Singleton<V> {
    tag: u8,
    types: PhantomData<fn() -> V>,
}

impl<V: BorshSerialize + BorshDeserialize> Singleton<V> {
    /// The value with this tag.
    #[must_use]
    pub const fn new(tag: u8) -> Self {
        Self { tag, types: PhantomData }
    }

    /// The flat key, as proofs name it.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        vec![self.tag]
    }

    /// The value, if it was ever set.
    #[must_use]
    pub fn get(&self, state: &dyn State) -> Option<V> {
        state.get(&[self.tag]).map(|bytes| decode_row(self.tag, &bytes))
    }

    /// The value, or its default if it was never set.
    #[must_use]
    pub fn or_default(&self, state: &dyn State) -> V
    where
        V: Default,
    {
        self.get(state).unwrap_or_default()
    }

    /// Sets the value.
    pub fn put(&self, draft: &mut Draft<'_>, value: &V) {
        draft.put(vec![self.tag], encode(value));
    }
}

fn decode_row<V: BorshDeserialize>(tag: u8, bytes: &[u8]) -> V {
    let row = decode(bytes);
    invariant!(row.is_ok(), "the row in table {tag:#04x} does not decode");
    match row {
        Ok(row) => row,
        Err(_) => std::process::abort(),
    }
}
