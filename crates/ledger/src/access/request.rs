//! This file is where somebody asks to open classes of a chart.

use super::{
    asked::Extent,
    record::{Asking, decide_and_record},
    state::EMERGENCY_UNDECLARED,
};
use crate::{Ctx, Draft, Kind, Reject, Who, consent::Purpose};
use arbitrary::Arbitrary;
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, Hash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks to open a chart, or classes of it. Decided class by class and recorded in the chart's log, denied or not; what
/// is permitted is released to the session key alone, until the access expires.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    Arbitrary,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The chart.
    pub chart: ChartId,
    /// What for.
    pub purpose: Purpose,
    /// How much of it.
    pub extent: Extent,
    /// Hash of an X-Wing public key made for this access.
    pub session_key: Hash,
    /// Hash of the audit record: who it is in plain words, off the ledger.
    pub record: Hash,
}

impl Kind for Request {
    const WHO: &'static [Who] = &[Who::Organisation, Who::Practitioner, Who::Person];

    fn apply(&self, ctx: &Ctx, draft: &mut Draft<'_>) -> Result<(), Reject> {
        let Self { chart, purpose, extent, session_key, record } = self.clone();
        if purpose == Purpose::BreakGlass {
            return Err(EMERGENCY_UNDECLARED);
        }
        decide_and_record(
            ctx,
            draft,
            &Asking { chart, purpose, extent, session_key, record, emergency: None, together: false },
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Event,
        access::{
            DENIALS, DENIALS_TOO_MANY,
            scene::{LAKESIDE, Scene, chart_named},
            state::access,
        },
        consent::{Action, Scope, is_treating},
        governance::Params,
        testing::{org, tag},
    };
    use primitives::Span;

    /// Directives first, as `+grantee` or `-grantee` with `:all` or `:psy` for the scope; then who asks what for, how
    /// much, and where, if not in chart `c`.
    fn check(case: &str, expected: &str) {
        let mut scene = Scene::new();
        let mut words = Vec::new();
        for word in case.split_whitespace() {
            let Some((sign, rest)) = word.split_at_checked(1).filter(|(sign, _)| ["+", "-"].contains(sign))
            else {
                words.push(word);
                continue;
            };
            let (action, rest) = match rest.strip_prefix("write:") {
                Some(rest) => (Action::Write, rest),
                None => (Action::Read, rest),
            };
            let (grantee, scope) = match rest.split_once('@') {
                None => (rest, Scope::General),
                Some((grantee, "all")) => (grantee, Scope::All),
                Some((grantee, label)) => (grantee, Scope::Tags(vec![tag(label)].try_into().unwrap())),
            };
            scene.direct(sign, grantee, action, scope);
        }
        let [who, purpose, extent, rest @ ..] = words.as_slice() else { panic!("too few words in `{case}`") };
        let chart = rest.first().map_or(scene.chart, |label| chart_named(label));
        let result = scene.request_in(chart, who, purpose, extent);
        assert_eq!(scene.outcome(&chart, result), expected, "{case}");
    }

    #[test]
    fn decided_class_by_class_or_refused() {
        let cases = "
            adams TREAT all                       | gen/r+own-writing psy/r+own-writing gen/l-nothing
            adams HPAYMT all                      | gen/r+own-writing psy/r+own-writing gen/l-nothing
            adams HRESCH all                      | gen/r-nothing psy/r-nothing gen/l-nothing
            riverside HOPERAT all                 | gen/r+own-writing-system psy/r+own-writing-system gen/l-nothing
            riverside TREAT gen/r                 | gen/r-treatment-by-somebody
            baker TREAT all                       | gen/r-nothing psy/r-nothing gen/l+own-writing
            baker TREAT general                   | gen/r-nothing gen/l+own-writing
            baker TREAT psy/r                     | psy/r-nothing
            clerk TREAT all                       | gen/r-nothing psy/r-nothing gen/l-nothing
            stranger PATRQT all                   | gen/r-nothing psy/r-nothing gen/l-nothing index-nothing
            +lakeside-clinic baker TREAT all      | gen/r+directive psy/r-nothing gen/l+own-writing
            +lakeside-clinic baker ETREAT gen/r   | gen/r+directive
            +lakeside-clinic baker HOPERAT gen/r  | gen/r-nothing
            +lakeside-clinic@all baker TREAT all  | gen/r+directive psy/r+directive gen/l+own-writing
            +lakeside-clinic@psy baker TREAT all  | gen/r-nothing psy/r+directive gen/l+own-writing
            +lakeside-clinic:physician baker TREAT gen/r | gen/r+directive
            +lakeside-clinic:physician nurse TREAT gen/r | gen/r-nothing
            +lakeside-clinic lakeside TREAT gen/r | gen/r-treatment-by-somebody
            +lakeside-clinic stranger TREAT gen/r | gen/r-nothing index-nothing
            -lakeside-clinic baker TREAT all      | gen/r-directive psy/r-nothing gen/l-directive
            -riverside-hospital@all adams TREAT all | gen/r-directive psy/r-directive gen/l-directive
            -riverside-hospital@psy adams TREAT all | gen/r+own-writing psy/r-directive gen/l-nothing
            +lakeside-clinic -lakeside-clinic:physician baker TREAT gen/r | gen/r-directive
            +lakeside-clinic -lakeside-clinic:physician nurse TREAT gen/r | gen/r+directive
            -riverside-hospital adams HPAYMT gen/r  | gen/r+own-writing
            owner PATRQT all                      | gen/r+owner-reads psy/r+owner-reads gen/l+owner-reads index+owner-reads
            owner PATRQT index                    | index+owner-reads
            owner TREAT gen/r                     | gen/r-nothing index-nothing
            delegate FAMRQT psy/r                 | psy/r+owner-reads index+owner-reads
            adams TREAT index                     | index+custodian-writes
            baker TREAT index                     | index-nothing
            +write:lakeside-clinic baker TREAT index     | index+directive
            +write:lakeside-clinic@psy baker TREAT index | index+directive
            -write:riverside-hospital adams TREAT index  | index-directive
            adams TREAT all unowned               | gen/r+own-writing
            adams HPAYMT all unowned              | gen/r-unclaimed-for-treatment
            baker TREAT all unowned               | gen/r-nothing
            riverside HOPERAT all unowned         | gen/r+own-writing-system
            owner PATRQT all unowned              | gen/r-unclaimed-for-treatment index-unclaimed-for-treatment
            baker HDIRECT all directory           | gen/r+directory
            lakeside HOPERAT all directory        | gen/r+directory
            clerk TREAT all directory             | gen/r+directory
            stranger PATRQT all directory         | gen/r-nothing index-nothing
            adams TREAT all nowhere               | CHART_UNKNOWN
            adams TREAT none                      | ASK_EMPTY
            adams TREAT gen/r,gen/r               | ASK_EMPTY
            adams TREAT gen/m                     | CLASS_UNKNOWN
            adams TREAT hiv/r                     | CLASS_UNKNOWN
            adams BTG all                         | EMERGENCY_UNDECLARED";
        for case in cases.lines().skip(1) {
            let (case, expected) = case.split_once('|').unwrap();
            check(case.trim(), expected.trim());
        }
    }

    #[test]
    fn a_denied_access_leaves_no_row_and_moves_no_rotation() {
        let mut scene = Scene::new();
        let id = scene.request("baker", "TREAT", "gen/r").unwrap();
        assert_eq!(access(&scene.world.state, &id), None);
        let commit = scene.world.commit("riverside-hospital", scene.chart, &[], &[scene.gen_riverside]);
        scene.world.act(&scene.key("riverside"), commit).unwrap();
    }

    #[test]
    fn what_is_written_after_a_read_needs_a_fresh_compartment() {
        let mut scene = Scene::new();
        scene.permit(LAKESIDE);
        scene.request("baker", "TREAT", "general").unwrap();
        for (into, expected) in
            [(scene.gen_riverside, Err(crate::charts::COMPARTMENT_READ)), (scene.psy_riverside, Ok(()))]
        {
            let commit = scene.world.commit("riverside-hospital", scene.chart, &[], &[into]);
            assert_eq!(scene.world.act(&scene.key("riverside"), commit).map(drop), expected);
        }
    }

    #[test]
    fn treating_lets_write_until_the_access_expires() {
        let mut scene = Scene::new();
        let directive = scene.permit(LAKESIDE);
        let general = tag("gen");
        let write = |scene: &mut Scene| {
            scene.world.write(LAKESIDE, scene.chart, crate::charts::Role::Records, general, false).is_ok()
        };
        assert!(!write(&mut scene), "a permission to read is none to write");
        scene.request("baker", "TREAT", "gen/r").unwrap();
        assert!(write(&mut scene));
        scene.revoke(directive);
        assert!(write(&mut scene), "what was done under the access may still be written down");
        // Asking for the index in order to write prolongs nothing.
        scene.request("baker", "TREAT", "index").unwrap();
        scene.world.wait(Span::secs(900));
        assert!(!is_treating(&scene.world.state, &scene.chart, &org(LAKESIDE), scene.world.now));
        assert!(!write(&mut scene));
    }

    #[test]
    fn equal_denials_are_counted_and_told_at_every_doubling() {
        let mut scene =
            Scene::with(Params { quota_window: Span::hours(1), quota_denied: 12, ..Params::default() });
        let lines = |scene: &Scene| {
            let events = scene.world.events(&scene.chart);
            let told = events.iter().filter_map(|event| match event {
                Event::Decided(_) => Some("decided".to_owned()),
                Event::Repeated(repeated) => Some(repeated.count.to_string()),
                _ => None,
            });
            told.collect::<Vec<_>>().join(" ")
        };
        for _ in 0..11 {
            scene.request("baker", "TREAT", "gen/r").unwrap();
        }
        assert_eq!(lines(&scene), "decided 2 4 8");
        scene.request("baker", "TREAT", "psy/r").unwrap();
        assert_eq!(lines(&scene), "decided 2 4 8 decided", "another request is another denial");
        assert_eq!(scene.request("baker", "TREAT", "psy/r"), Err(DENIALS_TOO_MANY));
        scene.request("clerk", "TREAT", "psy/r").unwrap();
        // The next window tells the exact count of the one before.
        scene.world.wait(Span::hours(1));
        scene.request("baker", "TREAT", "gen/r").unwrap();
        assert_eq!(lines(&scene), "decided 2 4 8 decided decided 11 decided");
        let rows =
            scene.world.state.0.keys().filter(|key| key.first() == DENIALS.key(&Default::default()).first());
        assert_eq!(rows.count(), 3);
    }

    #[test]
    fn explained_in_plain_words() {
        let mut scene = Scene::new();
        scene.permit(LAKESIDE);
        scene.request("baker", "TREAT", "all").unwrap();
        let lines = crate::access::explain(&scene.decided(&scene.chart)).join("\n");
        for part in [
            "of lakeside-clinic, in the role `physician`, asked for the whole chart for treatment (TREAT).",
            "permitted by the owner's directive",
            "What riverside-hospital wrote in sensitive category",
            "denied because nothing permits it",
            "permitted by the network's policy own-writing",
        ] {
            assert!(lines.contains(part), "`{part}` in\n{lines}");
        }
    }
}
