//! This file is where the tests of this folder get charts that somebody wrote into, and people who ask for them.

use super::{BreakGlass, Decided, Extent, Reason, Request, record::ClassDecision};
use crate::{
    Event, Reject,
    charts::Role,
    consent::{Action, By, Decision, Deny, Grant, Purpose, Revocable, Revoke, Scope, sequence},
    governance::Params,
    identity::Delegate,
    policy,
    testing::{World, chart_id, key, org, tag},
};
use primitives::{ChartId, CompartmentId, Hash, Millis, OrgId, SecretKey, Span, Tag, TxId};

pub(super) const RIVERSIDE: &str = "riverside-hospital";
pub(super) const LAKESIDE: &str = "lakeside-clinic";
pub(super) const MERIDIAN: &str = "meridian-insurance";

const SESSIONS: [(&str, &str, &str, &str); 4] = [
    ("adams", RIVERSIDE, "physician", "adams"),
    ("baker", LAKESIDE, "physician", "baker"),
    ("nurse", LAKESIDE, "nurse", "nolan"),
    ("clerk", MERIDIAN, "clerk", "clerk"),
];

/// A network in which chart `c` of `owner` holds `gen` and the more sensitive `psy`, written by riverside, and `gen`
/// written by lakeside; `unowned` holds `gen` of riverside; and riverside has a directory.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) chart: ChartId,
    /// Compartments of `c`.
    pub(super) gen_riverside: CompartmentId,
    pub(super) psy_riverside: CompartmentId,
    pub(super) gen_lakeside: CompartmentId,
    pub(super) index: CompartmentId,
    pub(super) audit: CompartmentId,
    people: Vec<(&'static str, SecretKey)>,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(Params::default())
    }

    pub(super) fn with(params: Params) -> Self {
        let mut world = World::with(params, policy::BASE);
        let owner = world.person(RIVERSIDE, "owner");
        let delegate = world.person(RIVERSIDE, "delegate");
        let stranger = world.person(LAKESIDE, "stranger");
        let chart = world.chart(RIVERSIDE, "c");
        let (general, psy) = (tag("gen"), tag("psy"));
        let commit = world.commit(
            RIVERSIDE,
            chart,
            &[(Role::Index, general, false), (Role::Audit, general, false)],
            &[],
        );
        let opened: Vec<_> = commit.opens.iter().map(|new| new.body.id()).collect();
        world.act(&key(RIVERSIDE), commit).unwrap();
        let gen_riverside = world.write(RIVERSIDE, chart, Role::Records, general, false).unwrap();
        let psy_riverside = world.write(RIVERSIDE, chart, Role::Records, psy, true).unwrap();
        let unowned = world.chart(RIVERSIDE, "unowned");
        world.write(RIVERSIDE, unowned, Role::Records, general, false).unwrap();
        let directory = world.directory(RIVERSIDE);
        world.write(RIVERSIDE, directory, Role::Records, general, false).unwrap();
        world.claim(RIVERSIDE, chart, &owner);
        let until = world.now.plus(Span::days(30));
        world.act(&owner, Delegate { delegate: delegate.public().principal(), until }).unwrap();
        let people = vec![
            ("riverside", key(RIVERSIDE)),
            ("lakeside", key(LAKESIDE)),
            ("owner", owner),
            ("delegate", delegate),
            ("stranger", stranger),
        ];
        let nothing = CompartmentId::default();
        let mut scene = Self {
            world,
            chart,
            gen_riverside,
            psy_riverside,
            gen_lakeside: nothing,
            index: opened.first().copied().unwrap(),
            audit: opened.last().copied().unwrap(),
            people,
        };
        scene.renew();
        let write = scene.direct("+", LAKESIDE, Action::Write, Scope::General);
        scene.gen_lakeside = scene.world.write(LAKESIDE, chart, Role::Records, general, false).unwrap();
        scene.revoke(write);
        scene
    }

    /// Certifies everybody's session anew, as after a night.
    pub(super) fn renew(&mut self) {
        for (who, org, role, name) in SESSIONS {
            let session = self.world.session(org, role, name);
            self.people.retain(|(person, _)| *person != who);
            self.people.push((who, session));
        }
    }

    pub(super) fn key(&self, who: &str) -> SecretKey {
        self.people
            .iter()
            .find(|(name, _)| *name == who)
            .unwrap_or_else(|| panic!("nobody is `{who}`"))
            .1
            .clone()
    }

    /// The owner permits (`+`) or denies (`-`) something for treatment.
    pub(super) fn direct(&mut self, sign: &str, grantee: &str, action: Action, scope: Scope) -> TxId {
        let (chart, sequence) = (self.chart, sequence(&self.world.state, &self.chart));
        let (grantee, purposes) = (grantee.parse().unwrap(), vec![Purpose::Treatment].try_into().unwrap());
        let (from, until) = (self.world.now, Millis::MAX);
        let owner = self.key("owner");
        let done = if sign == "+" {
            let residual = None;
            let act = Grant { chart, sequence, grantee, action, purposes, scope, from, until, residual };
            self.world.act(&owner, act)
        } else {
            self.world.act(&owner, Deny { chart, sequence, grantee, action, purposes, scope, from, until })
        };
        done.unwrap()
    }

    pub(super) fn permit(&mut self, grantee: &str) -> TxId {
        self.direct("+", grantee, Action::Read, Scope::General)
    }

    pub(super) fn revoke(&mut self, directive: TxId) {
        let (owner, chart) = (self.key("owner"), self.chart);
        self.world.act(&owner, Revoke { chart, target: Revocable::Directive(directive) }).unwrap();
    }

    /// Asks for `extent` of chart `c`, as people write it: `all`, `general`, `index`, or classes such as `gen/r,psy/r`.
    pub(super) fn request(&mut self, who: &str, purpose: &str, extent: &str) -> Result<TxId, Reject> {
        self.request_in(self.chart, who, purpose, extent)
    }

    pub(super) fn request_in(
        &mut self,
        chart: ChartId,
        who: &str,
        purpose: &str,
        extent: &str,
    ) -> Result<TxId, Reject> {
        let (session_key, record) = (session_key(who), Hash([2; 32]));
        let purpose = purpose.parse().unwrap();
        let act = Request { chart, purpose, extent: self::extent(extent), session_key, record };
        self.world.act(&self.key(who), act)
    }

    pub(super) fn break_glass(&mut self, who: &str, extent: &str, step_up: bool) -> Result<TxId, Reject> {
        self.break_glass_in(self.chart, who, extent, step_up)
    }

    pub(super) fn break_glass_in(
        &mut self,
        chart: ChartId,
        who: &str,
        extent: &str,
        step_up: bool,
    ) -> Result<TxId, Reject> {
        let (session_key, record, reason) = (session_key(who), Hash([2; 32]), Reason::Incapacity);
        let act = BreakGlass { chart, extent: self::extent(extent), reason, step_up, session_key, record };
        self.world.act(&self.key(who), act)
    }

    /// What the log of a chart says last, if that is a decision.
    pub(super) fn decided(&self, chart: &ChartId) -> Decided {
        match self.world.events(chart).pop() {
            Some(Event::Decided(decided)) => decided,
            other => panic!("no decision but {other:?}"),
        }
    }

    /// How it ended: the decision class by class, or the reject's name.
    pub(super) fn outcome(&self, chart: &ChartId, result: Result<TxId, Reject>) -> String {
        match result {
            Ok(_) => summary(&self.decided(chart)),
            Err(reject) => reject.info().unwrap().name.to_owned(),
        }
    }
}

/// The hash of a session key; a label each.
pub(super) fn session_key(who: &str) -> Hash {
    Hash(*tag(who).as_bytes())
}

fn extent(text: &str) -> Extent {
    match text {
        "all" => Extent::All,
        "general" => Extent::General,
        "index" => Extent::Index,
        "none" => Extent::Classes(Vec::new().try_into().unwrap()),
        classes => {
            let class = |class: &str| {
                let (label, writer) = class.split_once('/').unwrap();
                let writer = [RIVERSIDE, LAKESIDE, MERIDIAN]
                    .into_iter()
                    .find(|name| name.starts_with(writer))
                    .unwrap();
                (tag(label), org(writer))
            };
            Extent::Classes(classes.split(',').map(class).collect::<Vec<(Tag, OrgId)>>().try_into().unwrap())
        }
    }
}

fn summary(decided: &Decided) -> String {
    let name = |decision: &Decision| {
        let by = match &decision.by {
            By::Directive(_) => "directive".to_owned(),
            By::Policies(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join("&"),
            By::Default => "nothing".to_owned(),
        };
        format!("{}{by}", if decision.permit { "+" } else { "-" })
    };
    let class = |class: &ClassDecision| {
        let label = ["gen", "psy"].into_iter().find(|label| tag(label) == class.tag).unwrap();
        let writer: String = class.writer.to_string().chars().take(1).collect();
        format!("{label}/{writer}{}", name(&class.decision))
    };
    let mut words: Vec<String> = decided.classes.iter().map(class).collect();
    words.extend(decided.index.as_ref().map(|decision| format!("index{}", name(decision))));
    assert_eq!(decided.permitted(), words.iter().any(|word| word.contains('+')));
    words.join(" ")
}

/// The chart with this label, or the directory of riverside.
pub(super) fn chart_named(label: &str) -> ChartId {
    if label == "directory" { chart_id(&format!("directory of {RIVERSIDE}")) } else { chart_id(label) }
}
