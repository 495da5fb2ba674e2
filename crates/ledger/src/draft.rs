//! This file is where changes wait: an overlay over the state that a block or a transaction fills, and that is taken
//! over whole or dropped whole.

use crate::fact::Fact;
use primitives::{ChartId, State, encode};
use std::collections::BTreeMap;

/// State changes by key; `None` removes.
pub type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// An event on its way into a chart's log: the chart, the event's tag and its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The chart that it concerns.
    pub chart: ChartId,
    /// The event type's tag.
    pub tag: u16,
    /// The event, encoded.
    pub body: Vec<u8>,
}

/// Changes over a state that stays as it is until they are taken over.
pub struct Draft<'a> {
    base: &'a dyn State,
    writes: Writes,
    events: Vec<Emitted>,
}

impl<'a> Draft<'a> {
    /// An empty overlay over `base`.
    #[must_use]
    pub fn new(base: &'a dyn State) -> Self {
        Self { base, writes: Writes::new(), events: Vec::new() }
    }

    /// Sets the value at `key`.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    /// Removes what is at `key`.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// Puts `fact` into the log of `chart`, when the draft is taken over.
    pub fn emit<F: Fact>(&mut self, chart: ChartId, fact: &F) {
        self.events.push(Emitted { chart, tag: F::TAG, body: encode(fact) });
    }

    /// The changes and events, to be absorbed or stored.
    #[must_use]
    pub fn into_parts(self) -> (Writes, Vec<Emitted>) {
        (self.writes, self.events)
    }

    /// Takes over the changes of a draft that lay over this one.
    pub fn absorb(&mut self, writes: Writes, events: Vec<Emitted>) {
        self.writes.extend(writes);
        self.events.extend(events);
    }

    /// Takes the events emitted so far out of the draft.
    #[must_use]
    pub fn take_events(&mut self) -> Vec<Emitted> {
        std::mem::take(&mut self.events)
    }
}

impl State for Draft<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.writes.get(key) {
            Some(value) => value.clone(),
            None => self.base.get(key),
        }
    }
}
