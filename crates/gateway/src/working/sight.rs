//! This file is where it stands what a caller may see: the one filter through which everything is read.

use primitives::ChartId;
use rusqlite::types::Value;
use std::{collections::BTreeSet, rc::Rc, sync::Arc};

/// What a caller may see at this moment: classes by their numbers, and the charts in which everything general is permitted.
/// Cheap to clone. The default sees nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    pub(super) classes: Arc<BTreeSet<i64>>,
    /// Charts in which the caller has a permitted access.
    pub(super) charts: Arc<BTreeSet<i64>>,
    /// The same, and those of patients who may be named beside: a resource that names several is shown only if the chart of
    /// each is among them.
    pub(super) named: Arc<BTreeSet<i64>>,
}

impl Sight {
    /// From numbers of classes and charts; see [`super::WorkingSet::sight`].
    pub(super) fn new(classes: BTreeSet<i64>, charts: BTreeSet<i64>, beside: &BTreeSet<i64>) -> Self {
        let named = charts.union(beside).copied().collect();
        Self { classes: Arc::new(classes), charts: Arc::new(charts), named: Arc::new(named) }
    }

    /// All that these see together.
    pub(crate) fn all<'a>(sights: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let union = |of: fn(&Self) -> &BTreeSet<i64>| -> Arc<BTreeSet<i64>> {
            Arc::new(sights.clone().flat_map(|sight| of(sight).iter().copied()).collect())
        };
        Self {
            classes: union(|sight| &sight.classes),
            charts: union(|sight| &sight.charts),
            named: union(|sight| &sight.named),
        }
    }

    /// Whether nothing at all may be seen.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.classes.is_empty()
    }

    /// The classes as SQL takes them: `class IN rarray(?)`.
    pub(super) fn class_array(&self) -> Rc<Vec<Value>> {
        Rc::new(self.classes.iter().copied().map(Value::from).collect())
    }

    /// The charts as SQL takes them.
    pub(super) fn chart_array(&self) -> Rc<Vec<Value>> {
        Rc::new(self.charts.iter().copied().map(Value::from).collect())
    }

    /// The charts of those who may be named, as SQL takes them.
    pub(super) fn named_array(&self) -> Rc<Vec<Value>> {
        Rc::new(self.named.iter().copied().map(Value::from).collect())
    }
}

/// A chart as its key in the database.
pub(super) fn chart_key(chart: &ChartId) -> &[u8] {
    chart.as_bytes()
}
