//! This file is where the story is about an emergency: the glass is broken, the patient is told, the clinic reviews it.

use super::{
    reading::{accesses, classes, find, of_category},
    stage::{Stage, claim},
    story::Tour,
};
use crate::{exit::Failure, words::short};
use client::{
    audit::Told,
    open::{Ask, Emergency},
};
use ledger::{
    access::{Finding, Reason, Review},
    consent::Purpose,
};

const REASON: &str = "unconscious after a fall, medication unknown";

impl Tour<'_> {
    pub(super) async fn break_glass(&mut self, stage: &Stage) -> Result<String, Failure> {
        stage.tell(
            "She is brought to Lakeside unconscious. Dr. Baker declares an emergency, with a reason. That opens the chart \
             at once, without her consent, but not without a trace: she is told, and the clinic must review it.",
        );
        let chart = self.heroine()?.chart;
        stage.command(format_args!(
            "--profile lakeside/dr-baker open {} --break-glass --reason \"{REASON}\"",
            self.chart()?
        ));
        let ask = Ask {
            emergency: Some(Emergency { reason: Reason::Life, step_up: true }),
            reason: Some(REASON.to_owned()),
            ..Ask::all(chart, Purpose::BreakGlass)
        };
        let opened = self.client("lakeside/dr-baker").await?.open(&ask).await?;
        stage.table(&classes(&opened));
        claim(opened.is_open(), "the chart opens")?;
        self.access = Some((opened.access, opened.as_of.height));
        let (_, audit) = self.audit(opened.as_of.height).await?;
        let access = find(&audit, opened.access)?;
        claim(access.emergency.is_some(), "she sees that the glass was broken")?;
        let reason = match &access.told {
            Told::Words(words) => words.reason.as_ref().map(ToString::to_string),
            Told::Sealed | Told::Missing | Told::Garbage => None,
        };
        claim(reason.as_deref() == Some(REASON), "she reads the reason")?;
        Ok(format!(
            "{} records opened in the emergency ({} of them sensitive); she reads who it was and why",
            opened.records.len(),
            of_category(&opened, false)
        ))
    }

    pub(super) async fn review(&mut self, stage: &Stage) -> Result<String, Failure> {
        let (id, _) = self.last()?;
        stage.tell("Lakeside reviews it: somebody else than the one who broke the glass. Overdue reviews suspend break-glass.");
        stage.command(format_args!("--profile lakeside/registrar review {}… --finding justified", short(id)));
        let registrar = self.client("lakeside/registrar").await?;
        let done = registrar.act(Review { access: id, finding: Finding::Justified }).await?;
        let (_, audit) = self.audit(done.height).await?;
        stage.table(&accesses(&audit));
        claim(find(&audit, id)?.review == Some(Finding::Justified), "she sees what the review found")?;
        Ok(format!("reviewed at height {}; it stands in her log beside the access", done.height))
    }
}
