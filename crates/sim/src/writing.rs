//! This file is where the naive ledger takes writes and erasures.

use crate::{
    rules::Question,
    state::{Compartment, Now, State},
};
use ledger::{
    Reject, Signer,
    charts::{self, Commit, Role, Target},
};
use primitives::Tag;
use std::collections::BTreeSet;

impl State {
    pub(crate) fn commit(&mut self, now: &Now<'_>, act: &Commit) -> Result<(), Reject> {
        let chart = self.charts.get(&act.chart).ok_or(charts::CHART_UNKNOWN)?;
        if act.records == 0 || (act.opens.is_empty() && act.into.is_empty()) {
            return Err(charts::NOTHING_WRITTEN);
        }
        let person = matches!(now.signer, Signer::Person { .. });
        let roles: Vec<Role> = act.opens.iter().map(|new| new.role).collect();
        if person && (roles != [Role::Audit] || !act.into.is_empty()) {
            return Err(charts::WRITE_NOT_ALLOWED);
        }
        if self.packs.contains_key(&act.pack) {
            return Err(charts::PACK_EXISTS);
        }
        if act.keep_until < now.time {
            return Err(charts::KEEP_UNTIL_PASSED);
        }
        let writer = now.signer.org();
        let may_write = |tag: Tag, special| {
            let class = Some((tag, writer.clone()));
            let (signer, time) = (now.signer, now.time);
            let question =
                Question { signer, purpose: None, proven_emergency: false, class, special, now: time };
            self.may(chart, &question).0
        };
        for id in act.into.iter() {
            let one = self.compartments.get(id).ok_or(charts::COMPARTMENT_UNKNOWN)?;
            if one.chart != act.chart || one.writer != *writer {
                return Err(charts::COMPARTMENT_FOREIGN);
            }
            if self.is_erased(id) {
                return Err(charts::COMPARTMENT_ERASED);
            }
            let class = (one.tag, one.writer.clone());
            let records = one.role == Role::Records;
            if !may_write(one.tag, records && chart.special.get(&class) == Some(&true)) {
                return Err(charts::WRITE_NOT_ALLOWED);
            }
            if records && chart.read.get(&class).is_some_and(|read| one.opened <= *read) {
                return Err(charts::COMPARTMENT_READ);
            }
        }
        let mut fresh = Vec::new();
        for new in act.opens.iter() {
            if new.body.chart != act.chart || new.body.writer != *writer {
                return Err(charts::COMPARTMENT_FOREIGN);
            }
            let owners = new.role == Role::Audit && (person || chart.owner.is_some());
            if owners && !self.speaks_for_owner(chart, now.signer, now.time) {
                return Err(charts::NOT_OWNER);
            }
            if !owners && new.role != Role::Records && chart.custodian != *writer {
                return Err(charts::NOT_CUSTODIAN);
            }
            if !person && !may_write(new.body.tag, new.special) {
                return Err(charts::WRITE_NOT_ALLOWED);
            }
            let class = (new.body.tag, writer.clone());
            if new.role == Role::Records && chart.special.get(&class).is_some_and(|was| *was != new.special) {
                return Err(charts::COMPARTMENT_MALFORMED);
            }
            let (tag, role, opened) = (new.body.tag, new.role, now.at);
            let one = Compartment { chart: act.chart, tag, writer: writer.clone(), role, opened };
            fresh.push((new.body.id(), one, new.special));
        }
        let n = self.members.len();
        let f = n.saturating_sub(1) / 3;
        if !act.opens.is_empty() && act.acknowledgements.len() < n - f {
            return Err(charts::ACKNOWLEDGEMENTS_TOO_FEW);
        }
        if act.receipts.len() < f + 1 {
            return Err(charts::RECEIPTS_TOO_FEW);
        }
        self.packs.insert(act.pack, (act.chart, act.records, BTreeSet::new()));
        for (id, one, special) in fresh {
            let chart = self.charts.get_mut(&act.chart).ok_or(charts::CHART_UNKNOWN)?;
            let class = (one.tag, one.writer.clone());
            if one.role == Role::Records && chart.special.insert(class.clone(), special).is_none() {
                chart.classes.push(class);
            }
            self.compartments.insert(id, one);
        }
        Ok(())
    }

    pub(crate) fn erase(&mut self, now: &Now<'_>, act: &charts::Erase) -> Result<(), Reject> {
        let chart = self.charts.get(&act.chart).ok_or(charts::CHART_UNKNOWN)?;
        let owner = chart.owner.ok_or(charts::CHART_UNCLAIMED)?;
        if now.signer.principal() != Some(owner) {
            return Err(charts::NOT_OWNER);
        }
        match &act.target {
            Target::Chart => {}
            Target::Class { tag, org } if chart.classes.contains(&(*tag, org.clone())) => {}
            Target::Class { .. } => return Err(charts::ERASURE_TARGET),
            Target::Compartment(id) => {
                let lies = self.compartments.get(id).is_some_and(|one| one.chart == act.chart);
                if !lies {
                    return Err(charts::ERASURE_TARGET);
                }
                if chart.erased.iter().any(|(target, _)| *target == act.target) {
                    return Err(charts::COMPARTMENT_ERASED);
                }
            }
            Target::Records { pack, records } => {
                let row = self.packs.get_mut(pack).filter(|(chart, _, _)| *chart == act.chart);
                let (_, count, gone) = row.ok_or(charts::ERASURE_TARGET)?;
                if records.is_empty() || records.iter().any(|one| one >= count) {
                    return Err(charts::ERASURE_TARGET);
                }
                let before = gone.len();
                gone.extend(records.iter());
                if gone.len() == before {
                    return Err(charts::COMPARTMENT_ERASED);
                }
            }
        }
        let chart = self.charts.get_mut(&act.chart).ok_or(charts::CHART_UNKNOWN)?;
        chart.erased.push((act.target.clone(), now.at));
        self.erasures.insert(now.tx, BTreeSet::new());
        Ok(())
    }
}
