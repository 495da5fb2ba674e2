//! This file is where the story is about reading: who asks, what is decided, what the patient sees of it.

use super::{
    bundles,
    stage::{Stage, claim},
    story::Tour,
    writing::read,
};
use crate::{
    commands::audit,
    exit::{Exit, Failure},
    out::Table,
    words::{by, category, outcome, short, who},
};
use client::{
    audit::{Access, Audit, GrantTerms, Outcome, Told, What},
    export::verify,
    open::{Ask, Opened},
};
use ledger::consent::{Action, By, Effect, Purpose};
use primitives::{Span, Text};
use std::fs;

/// How long the consent lasts.
const CONSENT_FOR: Span = Span::days(30);

/// Places of the exported file at which one byte is changed.
const FLIPS: usize = 8;

pub(super) fn classes(opened: &Opened) -> Table {
    let mut table = Table::new(&["category", "written by", "decision", "because"]);
    for class in &opened.classes {
        let decision = if class.decision.permit { "permitted" } else { "denied" };
        table.row([category(class), class.writer.to_string(), decision.to_owned(), by(&class.decision.by)]);
    }
    table
}

pub(super) fn accesses(audit: &Audit) -> Table {
    let mut table = Table::new(&["height", "who", "of", "for", "decision", "by"]);
    for access in audit.accesses.iter().filter(|access| !access.reader.owner) {
        table.row([
            access.height.to_string(),
            who(access),
            access.reader.org.to_string(),
            access.purpose.code().to_owned(),
            outcome(access.outcome).to_owned(),
            crate::words::by_all(&access.by),
        ]);
    }
    table
}

pub(super) fn timings(opened: &Opened) -> String {
    let timings = &opened.timings;
    format!(
        "decided and recorded in {} ms, packs fetched in {} ms, keys combined in {} ms, decrypted in {} ms",
        timings.consensus.0, timings.fetch.0, timings.release.0, timings.decrypt.0
    )
}

pub(super) fn of_category(opened: &Opened, general: bool) -> usize {
    opened.records.iter().filter(|record| (record.category.as_deref() == Some("general")) == general).count()
}

impl Tour<'_> {
    pub(super) async fn own(&mut self, stage: &Stage) -> Result<String, Failure> {
        stage.tell(
            "What a hospital wrote itself its doctors may open for treatment, without a consent. But even they get no key \
             before the access is decided and recorded.",
        );
        stage.command(format_args!("--profile riverside/dr-adams open {} --purpose TREAT", self.chart()?));
        let chart = self.heroine()?.chart;
        let client = self.client("riverside/dr-adams").await?;
        let opened = client.open(&Ask::all(chart, Purpose::Treatment)).await?;
        stage.table(&classes(&opened));
        stage.tell(timings(&opened));
        self.check_bytes(&opened)?;
        claim(opened.denied().count() == 0, "nothing of it is denied")?;
        self.special = of_category(&opened, false);
        claim(self.special > 0, "there are sensitive records")?;
        self.access = Some((opened.access, opened.as_of.height));
        Ok(format!(
            "{} records came back byte for byte as they were submitted, {} of them sensitive",
            opened.records.len(),
            self.special
        ))
    }

    pub(super) async fn stranger(&mut self, stage: &Stage) -> Result<String, Failure> {
        stage.tell("Dr. Baker of Lakeside Clinic asks for the chart. Nobody has permitted it.");
        stage.command(format_args!("--profile lakeside/dr-baker open {} --purpose TREAT", self.chart()?));
        let opened = self.ask("lakeside/dr-baker", Purpose::Treatment).await?;
        stage.table(&classes(&opened));
        claim(!opened.permitted && !opened.is_open(), "all of it is denied")?;
        Ok(format!("denied, and recorded at height {}; no trustee gave out anything", opened.as_of.height))
    }

    pub(super) async fn seen(&mut self, stage: &Stage) -> Result<String, Failure> {
        let heroine = self.heroine()?;
        stage.tell(format_args!(
            "{} looks who wanted to see her chart. Names stand in words sealed to her; who asked, when and what was \
             decided is proven by the ledger.",
            heroine.name
        ));
        stage.command(format_args!("--profile {} audit mine", heroine.profile));
        let (id, height) = self.last()?;
        let (_, audit) = self.audit(height).await?;
        stage.table(&accesses(&audit));
        let access = find(&audit, id)?;
        claim(access.outcome == Outcome::Denied, "she sees the denied access")?;
        claim(told(access).is_some_and(|who| who.contains("Baker")), "she reads who it was")?;
        Ok(format!(
            "she sees the denied access; proven: none is left out up to height {}",
            audit.as_of.height
        ))
    }

    pub(super) async fn grant(&mut self, stage: &Stage) -> Result<String, Failure> {
        let profile = self.heroine()?.profile.to_string();
        stage.tell("She permits Lakeside Clinic to read for treatment, for thirty days. She names no category: general only.");
        stage.command(format_args!(
            "--profile {profile} consent grant mine --to lakeside-clinic --purpose TREAT --until 30d"
        ));
        let (patient, chart) = self.patient().await?;
        let until = patient.host().now().plus(CONSENT_FOR);
        let terms = GrantTerms {
            chart,
            effect: Effect::Permit,
            grantee: "lakeside-clinic"
                .parse()
                .map_err(|error| Failure::new(Exit::Fault, format!("{error}")))?,
            action: Action::Read,
            purposes: vec![Purpose::Treatment],
            what: What::General,
            from: None,
            until: Some(until),
        };
        let done = patient.direct(&terms).await?;
        self.settle(&patient, chart, done.height).await?;
        let (consents, _) = patient.consents(chart).await?;
        claim(
            consents.iter().any(|consent| consent.directive.id == done.tx && consent.live),
            "the directive is in force",
        )?;
        Ok(format!("directive {} is in force from height {} on", short(done.tx), done.height))
    }

    pub(super) async fn opened(&mut self, stage: &Stage) -> Result<String, Failure> {
        stage.tell("Dr. Baker asks again. What the consent covers opens; what is sensitive stays closed, and he is told so.");
        stage.command(format_args!(
            "--profile lakeside/dr-baker open {} --purpose TREAT --out chart.json",
            self.chart()?
        ));
        let opened = self.ask("lakeside/dr-baker", Purpose::Treatment).await?;
        stage.table(&classes(&opened));
        stage.tell(timings(&opened));
        claim(opened.is_open(), "records open")?;
        self.check_bytes(&opened)?;
        claim(of_category(&opened, false) == 0, "no sensitive record opens")?;
        let denied: Vec<_> = opened.denied().collect();
        claim(
            !denied.is_empty() && denied.iter().all(|class| class.special),
            "the sensitive class is denied, and only that",
        )?;
        let rests = opened
            .classes
            .iter()
            .any(|class| class.decision.permit && matches!(class.decision.by, By::Directive(_)));
        claim(rests, "what opened rests on her directive")?;
        Ok(format!(
            "{} records opened, byte for byte; the sensitive ones denied and said so",
            opened.records.len()
        ))
    }

    pub(super) async fn explained(&mut self, stage: &Stage) -> Result<String, Failure> {
        let (id, height) = self.last()?;
        let (patient, audit) = self.audit(height).await?;
        stage.command(format_args!("--profile {} explain {}…", self.heroine()?.profile, short(id)));
        let access = find(&audit, id)?;
        claim(access.outcome == Outcome::Partly, "she sees that a part was opened")?;
        let explanation = patient.explain(id).await?;
        for line in audit::lines(&explanation) {
            stage.tell(line);
        }
        claim(!explanation.directives.is_empty(), "the explanation names her directive")?;
        Ok("every decision names the directive or policy that made it".to_owned())
    }

    pub(super) async fn insurer(&mut self, stage: &Stage) -> Result<String, Failure> {
        stage.tell("A clerk of Meridian Insurance asks, for payment. Her consent was for treatment, and for somebody else.");
        stage.command(format_args!("--profile meridian/clerk open {} --purpose HPAYMT", self.chart()?));
        let opened = self.ask("meridian/clerk", Purpose::Payment).await?;
        stage.table(&classes(&opened));
        claim(!opened.permitted && !opened.is_open(), "all of it is denied")?;
        Ok("denied and recorded; she will see this, too".to_owned())
    }

    pub(super) async fn revoke(&mut self, stage: &Stage) -> Result<String, Failure> {
        let profile = self.heroine()?.profile.to_string();
        stage.tell("She takes her consent back. The order of blocks decides: what comes after it is denied.");
        stage.command(format_args!("--profile {profile} consent revoke mine --to lakeside-clinic"));
        let (patient, chart) = self.patient().await?;
        let grantee =
            "lakeside-clinic".parse().map_err(|error| Failure::new(Exit::Fault, format!("{error}")))?;
        let done = patient.revoke_from(chart, &grantee).await?;
        let opened = self.ask("lakeside/dr-baker", Purpose::Treatment).await?;
        claim(opened.as_of.height >= done.height, "the clinic asked after the revocation")?;
        claim(!opened.permitted && !opened.is_open(), "the clinic is denied")?;
        Ok(format!("revoked at height {}, denied at height {}", done.height, opened.as_of.height))
    }

    pub(super) async fn export(&mut self, stage: &Stage) -> Result<String, Failure> {
        let profile = self.heroine()?.profile.to_string();
        stage.tell(
            "She takes her history with her: a FHIR Bundle that any system reads, with proofs of every record and every \
             access, and that none is left out. It verifies without any network, from the genesis file alone.",
        );
        stage.command(format_args!("--profile {profile} export mine --out history.json"));
        stage.command("verify history.json --genesis genesis.json");
        let (patient, chart) = self.patient().await?;
        let exported = patient.export(&Ask::all(chart, Purpose::PatientRequest)).await?;
        let path = self.plan.dir.join("history.json");
        client::keys::write_private(&path, &exported.file, true)?;
        let file = fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
        let verified = verify(&file, &self.plan.genesis, None)?;
        claim(verified.resources > 0, "there are resources in it")?;
        claim(verified.erased >= self.special, "what was erased is told to be erased")?;
        claim(verified.withheld == 0, "nothing is withheld from the owner")?;
        let mut other = self.plan.genesis.clone();
        other.name = Text::try_from("another network").unwrap_or_default();
        claim(verify(&file, &other, None).is_err(), "under another genesis file it is refused")?;
        let flips = (1..=FLIPS).map(|part| file.len().saturating_mul(part) / (FLIPS + 1));
        for at in flips {
            let mut tampered = file.clone();
            if let Some(byte) = tampered.get_mut(at) {
                // Another letter or digit: the file stays readable, and still says something else.
                *byte = if *byte == b'7' { b'8' } else { b'7' };
            }
            claim(
                verify(&tampered, &self.plan.genesis, None).is_err(),
                format_args!("a change at byte {at} is found"),
            )?;
        }
        Ok(format!(
            "{} records, {} erased, {} accesses verify as of height {}; {FLIPS} of {FLIPS} tampered copies are refused",
            verified.resources,
            verified.erased,
            verified.accesses.len(),
            verified.as_of.height
        ))
    }

    /// Asks for the whole chart.
    async fn ask(&mut self, profile: &str, purpose: Purpose) -> Result<Opened, Failure> {
        let chart = self.heroine()?.chart;
        let opened = self.client(profile).await?.open(&Ask::all(chart, purpose)).await?;
        self.access = Some((opened.access, opened.as_of.height));
        Ok(opened)
    }

    pub(super) fn last(&self) -> Result<(primitives::TxId, u64), Failure> {
        self.access.ok_or_else(|| Failure::input("nobody has asked yet"))
    }

    /// Whether every record opened stands in the bundle as it was submitted.
    fn check_bytes(&self, opened: &Opened) -> Result<(), Failure> {
        let bundle = read(bundles::content(bundles::HEROINE))?;
        let submitted: Vec<&[u8]> =
            bundle.entries().filter_map(|entry| entry.resource.map(|resource| resource.bytes())).collect();
        let same = opened.records.iter().all(|one| submitted.contains(&&*one.record.bytes));
        claim(same, "every byte is as it was submitted")
    }
}

pub(super) fn find(audit: &Audit, id: primitives::TxId) -> Result<&Access, Failure> {
    let found = audit.accesses.iter().find(|access| access.id == id);
    found.ok_or_else(|| Failure::new(Exit::Unverified, "this does not hold: the access is in her log"))
}

pub(super) fn told(access: &Access) -> Option<String> {
    match &access.told {
        Told::Words(words) => Some(words.who.to_string()),
        Told::Sealed | Told::Missing | Told::Garbage => None,
    }
}
