//! This file is where the story has its order: which steps there are, what each needs, how one follows another.

use super::{
    doors::Door,
    lay::Plan,
    nodes,
    stage::{Ended, Stage, claim},
};
use crate::{exit::Failure, out::Table, words::short};
use client::{AsOf, Client, SystemHost, audit::Audit, import::Imported, keys::ProfileName};
use primitives::{ChartId, TxId};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How long the nodes may take to agree on what one of them has executed.
pub(super) const SETTLE_WITHIN: Duration = Duration::from_secs(30);
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The patient whose story is told.
pub(super) struct Heroine {
    pub(super) chart: ChartId,
    pub(super) profile: ProfileName,
    pub(super) name: String,
}

/// What the story has come to.
pub(crate) struct Tour<'a> {
    pub(super) plan: &'a Plan,
    /// The front doors, one for each provider.
    pub(super) doors: &'a [Door],
    /// Further files to import.
    pub(super) imports: &'a [PathBuf],
    pub(super) heroine: Option<Heroine>,
    pub(super) imported: Vec<Imported>,
    /// The last access that somebody made.
    pub(super) access: Option<(TxId, u64)>,
    /// The patient that the app wrote, as `Patient/1`.
    pub(super) app_patient: Option<String>,
    /// Records of the sensitive category.
    pub(super) special: usize,
}

#[derive(Clone, Copy)]
enum Step {
    Up,
    Import,
    App,
    Blind,
    Own,
    Stranger,
    Seen,
    Grant,
    Opened,
    Explained,
    Insurer,
    Revoke,
    Fresh,
    BreakGlass,
    Review,
    Erase,
    Export,
}

/// The steps in order: how many organisations each needs, and its title.
const STEPS: &[(Step, usize, &str)] = &[
    (Step::Up, 1, "Organisations found a network"),
    (Step::Import, 1, "Riverside imports its records"),
    (Step::App, 2, "An app comes in by the front door"),
    (Step::Blind, 1, "What the nodes hold says nothing"),
    (Step::Own, 1, "Riverside's own doctor opens the chart"),
    (Step::Stranger, 2, "Another clinic asks without consent"),
    (Step::Seen, 2, "The patient sees who tried"),
    (Step::Grant, 2, "The patient consents"),
    (Step::Opened, 2, "The clinic opens the chart"),
    (Step::Explained, 2, "The patient has it explained"),
    (Step::Insurer, 3, "An insurer asks"),
    (Step::Revoke, 2, "The patient takes it back"),
    (Step::Fresh, 2, "What is written afterwards has fresh keys"),
    (Step::BreakGlass, 2, "An emergency"),
    (Step::Review, 2, "The emergency is reviewed"),
    (Step::Erase, 1, "The patient has something erased"),
    (Step::Export, 1, "The history leaves the network, and verifies offline"),
];

/// Tells the whole story; after a step that fails, the rest is not reached.
pub(crate) async fn tell(tour: &mut Tour<'_>, stage: &mut Stage) {
    let mut failed = false;
    for (step, needs, title) in STEPS {
        if failed {
            stage.end(title, Ended::NotReached);
            continue;
        }
        stage.begin(title);
        if tour.plan.members.len() < *needs {
            stage.end(title, Ended::TooSmall(*needs));
            continue;
        }
        match tour.step(*step, stage).await {
            Ok(proved) => stage.end(title, Ended::Held(proved)),
            Err(failure) => {
                failed = true;
                stage.end(title, Ended::Failed(failure.message));
            }
        }
    }
}

impl<'a> Tour<'a> {
    /// At the beginning.
    pub(crate) fn new(plan: &'a Plan, doors: &'a [Door], imports: &'a [PathBuf]) -> Self {
        Self {
            plan,
            doors,
            imports,
            heroine: None,
            imported: Vec::new(),
            access: None,
            app_patient: None,
            special: 0,
        }
    }

    /// Lines for a shell that use the first front door.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.doors.first().map(|door| door.lines(self.app_patient.as_deref())).unwrap_or_default()
    }

    /// Commands to try once the story is told.
    pub(crate) fn suggestions(&self) -> Vec<String> {
        let mut commands =
            vec!["profile list".to_owned(), "--profile riverside/dr-adams chart list".to_owned()];
        let other = self.imported.iter().find_map(|one| Some((short(one.chart), one.profile.clone()?)));
        if let Some((chart, profile)) = other {
            if self.plan.members.len() > 1 {
                commands.push(format!("--profile lakeside/dr-baker open {chart} --purpose TREAT"));
                commands.push(format!("--profile {profile} consent grant mine --to lakeside-clinic --purpose TREAT --category all"));
                commands.push(format!(
                    "--profile lakeside/dr-baker open {chart} --purpose TREAT --out chart.json"
                ));
            }
            commands.push(format!("--profile {profile} audit mine"));
            commands.push(format!("--profile {profile} export mine --out history.json"));
            commands.push(format!("verify history.json --genesis {}", self.plan.genesis_path.display()));
        }
        commands
    }

    async fn step(&mut self, step: Step, stage: &Stage) -> Result<String, Failure> {
        match step {
            Step::Up => self.up(stage).await,
            Step::Import => self.import(stage).await,
            Step::App => self.app(stage).await,
            Step::Blind => self.blind(stage).await,
            Step::Own => self.own(stage).await,
            Step::Stranger => self.stranger(stage).await,
            Step::Seen => self.seen(stage).await,
            Step::Grant => self.grant(stage).await,
            Step::Opened => self.opened(stage).await,
            Step::Explained => self.explained(stage).await,
            Step::Insurer => self.insurer(stage).await,
            Step::Revoke => self.revoke(stage).await,
            Step::Fresh => self.fresh(stage).await,
            Step::BreakGlass => self.break_glass(stage).await,
            Step::Review => self.review(stage).await,
            Step::Erase => self.erase(stage).await,
            Step::Export => self.export(stage).await,
        }
    }

    async fn up(&self, stage: &Stage) -> Result<String, Failure> {
        let n = self.plan.members.len();
        let f = n.saturating_sub(1) / 3;
        stage.tell(format_args!(
            "{n} organisations run a node each, as processes of their own: validator, trustee and desk. They began with \
             one genesis file, whose hash is the network's name. Of the {n}, {f} may fail or lie; a key opens with the \
             shares of {}.",
            n - f
        ));
        let mut table = Table::new(&["organisation", "height", "validator", "desk"]);
        for laid in &self.plan.members {
            let height = nodes::status(self.plan.genesis.network(), laid.org.clone(), laid.rpc).await?;
            claim(height > 0, format_args!("{} has executed a block", laid.org))?;
            table.row([laid.org.to_string(), height.to_string(), laid.p2p.to_string(), laid.rpc.to_string()]);
        }
        stage.table(&table);
        stage.tell(format_args!("genesis  {}", self.plan.genesis.network()));
        Ok(format!("all {n} nodes know the same network and finalise blocks"))
    }

    /// A user at her node.
    pub(super) async fn client(&self, profile: &str) -> Result<Client, Failure> {
        let name: ProfileName = profile.parse()?;
        Ok(Client::connect(&self.plan.dir, &name, |_| None, SystemHost::shared()).await?)
    }

    /// The patient.
    pub(super) async fn patient(&self) -> Result<(Client, ChartId), Failure> {
        let heroine = self.heroine()?;
        Ok((self.client(&heroine.profile.to_string()).await?, heroine.chart))
    }

    pub(super) fn heroine(&self) -> Result<&Heroine, Failure> {
        self.heroine.as_ref().ok_or_else(|| Failure::input("no chart was imported"))
    }

    /// The chart's first digits, for commands.
    pub(super) fn chart(&self) -> Result<String, Failure> {
        Ok(short(self.heroine()?.chart))
    }

    /// Waits until the patient's node proves a state that has `height` in it.
    pub(super) async fn settle(&self, client: &Client, chart: ChartId, height: u64) -> Result<AsOf, Failure> {
        let deadline = Instant::now() + SETTLE_WITHIN;
        loop {
            let (_, as_of) = client.consents(chart).await?;
            if as_of.height >= height {
                return Ok(as_of);
            }
            claim(Instant::now() < deadline, format_args!("the patient's node proves height {height}"))?;
            sleep(LOOK_EVERY).await;
        }
    }

    /// The patient's audit, no older than `height`.
    pub(super) async fn audit(&self, height: u64) -> Result<(Client, Audit), Failure> {
        let (patient, chart) = self.patient().await?;
        self.settle(&patient, chart, height).await?;
        let audit = patient.audit(chart).await?;
        Ok((patient, audit))
    }
}
