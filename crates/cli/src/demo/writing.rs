//! This file is where the story is about writing: records come in sealed, later ones under fresh keys, and some are erased.

use super::{
    bundles,
    search::{Needles, Searched},
    stage::{Stage, claim},
    story::{Heroine, Tour},
};
use crate::{
    exit::{Exit, Failure},
    out::Table,
    words::short,
};
use client::{
    Contents, Doomed,
    import::{ImportOptions, Imported, NoProgress},
    open::Ask,
};
use fhir::{Bundle, Limits, category::Category, collect, phi};
use ledger::{charts::Role, consent::Purpose};
use primitives::Span;
use std::{collections::BTreeSet, fs, time::Instant};

/// Shorter strings turn up in ciphertext by chance.
const NEEDLE_BYTES_MIN: usize = 8;

/// How long the members may take to confirm an erasure.
const ERASED_WITHIN: Span = Span::secs(60);

pub(super) fn read(content: &str) -> Result<Bundle, Failure> {
    fhir::bundle::read(content.as_bytes().to_vec(), &Limits::default())
        .map_err(|error| Failure::new(Exit::Fault, format!("a shipped bundle can't be read: {error}")))
}

impl Tour<'_> {
    pub(super) async fn import(&mut self, stage: &Stage) -> Result<String, Failure> {
        stage.tell(
            "Riverside posts FHIR bundles to its front door, a FHIR server of its own. There every resource is sealed under a \
             key of this very write; the key is shared among the trustees, the ciphertext stored by the members, and a \
             commitment goes on the ledger. What is sensitive by law (mental health, HIV, addiction, violence) lies under \
             keys of its own. Each patient gets a code, and claims her chart with a key that she makes herself.",
        );
        bundles::write(&self.plan.dir.join("bundles"))?;
        let began = Instant::now();
        let mut imported = self.post_all().await?;
        if !self.imports.is_empty() {
            stage.tell("What else is to be imported Dr. Adams's machine seals itself.");
            stage.command("--profile riverside/dr-adams import …");
            let client = self.client("riverside/dr-adams").await?;
            imported.extend(client.import(self.imports, &ImportOptions::default(), &NoProgress).await?);
        }
        let seconds = began.elapsed().as_secs_f64();
        let mut table = Table::new(&["chart", "records", "height", "patient", "profile"]);
        for one in imported.iter().take(12) {
            let name = if one.directory {
                "(directory: names no patient)"
            } else {
                one.name.as_deref().unwrap_or("")
            };
            let profile = one.profile.as_ref().map(ToString::to_string).unwrap_or_default();
            let height = one.height.map(|height| height.to_string()).unwrap_or_default();
            table.row([short(one.chart), one.records.to_string(), height, name.to_owned(), profile]);
        }
        stage.table(&table);
        if imported.len() > 12 {
            stage.tell(format_args!("… and {} more charts", imported.len() - 12));
        }
        let records: usize = imported.iter().map(|one| one.records + one.unchanged).sum();
        let mut submitted = 0;
        for (_, content) in bundles::BUNDLES {
            submitted += read(content)?.entries().filter(|entry| entry.resource.is_some()).count();
        }
        let complete = if self.imports.is_empty() { records == submitted } else { records >= submitted };
        claim(complete, format_args!("{submitted} resources submitted, {records} records final"))?;
        claim(imported.iter().all(|one| one.height.is_some()), "every chart has its block")?;
        self.heroine = Some(heroine(&imported)?);
        self.imported = imported;
        let charts = self.imported.len();
        Ok(format!("{records} resources are sealed, stored and final in {charts} charts, in {seconds:.1} s"))
    }

    pub(super) async fn blind(&self, stage: &Stage) -> Result<String, Failure> {
        stage.tell(
            "Every file of every node, blocks, state, packs, key shares and logs, is searched for the names, addresses and \
             identifiers in these bundles.",
        );
        let genesis = fs::read_to_string(&self.plan.genesis_path)
            .map_err(|error| Failure::file(&self.plan.genesis_path, &error))?;
        let mut strings: BTreeSet<String> = BTreeSet::new();
        for (_, content) in bundles::BUNDLES {
            let bundle = read(content)?;
            for sensitive in phi::strings(bundle.value()) {
                let personal = match sensitive.sort {
                    phi::Sort::Name | phi::Sort::Address | phi::Sort::Identifier => true,
                    phi::Sort::Code | phi::Sort::Words | phi::Sort::Date => false,
                };
                let text = sensitive.text;
                // The members' own names are no secret: they stand in the genesis file.
                if personal && text.len() >= NEEDLE_BYTES_MIN && !genesis.contains(&text) {
                    strings.insert(text);
                }
            }
        }
        let needles = Needles::new(strings);
        let found_in_source =
            bundles::BUNDLES.iter().all(|(_, content)| needles.first_in(content.as_bytes()).is_some());
        claim(found_in_source, "the search finds them in the bundles themselves")?;
        let mut searched = Searched::default();
        for laid in &self.plan.members {
            needles.search(&laid.dir.join("data"), &mut searched)?;
            let log = fs::read(super::nodes::log_path(laid)).unwrap_or_default();
            claim(needles.first_in(&log).is_none(), format_args!("{}'s log names nobody", laid.org))?;
        }
        if let Some((path, needle)) = searched.found.first() {
            claim(false, format_args!("`{needle}` stands in {}", path.display()))?;
        }
        Ok(format!(
            "none of {} strings stands in {} files of {:.1} MB",
            needles.len(),
            searched.files,
            searched.bytes as f64 / 1e6
        ))
    }

    pub(super) async fn fresh(&mut self, stage: &Stage) -> Result<String, Failure> {
        stage.tell(
            "Riverside writes a new finding into the chart. Since the clinic had read this class, the ledger refuses its old \
             compartments: the finding gets a fresh one, whose key the clinic never had.",
        );
        let chart = self.heroine()?.chart;
        let client = self.client("riverside/dr-adams").await?;
        let before = Contents::of(&client.log(chart, 0).await?);
        let path = self.plan.dir.join("later.json");
        fs::write(&path, later()?).map_err(|error| Failure::file(&path, &error))?;
        stage.command("--profile riverside/dr-adams import later.json");
        let imported = client.import(&[path], &ImportOptions::default(), &NoProgress).await?;
        let [one] = imported.as_slice() else {
            return Err(Failure::new(Exit::Unverified, "this does not hold: one chart was written"));
        };
        claim(one.chart == chart && !one.created, "the finding went into the same chart")?;
        let after = Contents::of(&client.log(chart, 0).await?);
        let written = after.packs.iter().find(|pack| Some(pack.root) == one.pack);
        let records = written
            .map(|pack| &pack.compartments)
            .into_iter()
            .flatten()
            .filter(|id| after.compartments.get(*id).is_some_and(|kept| kept.role == Role::Records));
        let records: Vec<_> = records.collect();
        claim(!records.is_empty(), "the pack names its compartments")?;
        claim(records.iter().all(|id| !before.compartments.contains_key(*id)), "its compartments are fresh")?;
        let baker = self.client("lakeside/dr-baker").await?;
        let opened = baker.open(&Ask::all(chart, Purpose::Treatment)).await?;
        claim(!opened.permitted && !opened.is_open(), "the clinic is still denied")?;
        Ok(format!(
            "{} records lie in {} fresh compartment(s); old keys open nothing of it",
            one.records,
            records.len()
        ))
    }

    pub(super) async fn erase(&mut self, stage: &Stage) -> Result<String, Failure> {
        stage.tell(
            "The patient wants her mental-health records gone. From the block that orders it nobody releases a key of \
             them; every member destroys its share and its copy of what the key would open, and confirms it on the ledger.",
        );
        stage.command(format_args!("--profile {} erase mine --category PSY", self.heroine()?.profile));
        let (patient, chart) = self.patient().await?;
        let psy = Category::parse("PSY").ok_or_else(|| Failure::new(Exit::Fault, "PSY is no category"))?;
        let ordered = patient.erase(chart, Doomed::Categories(vec![psy])).await?;
        let members = self.plan.members.len();
        for done in &ordered {
            let row = patient.await_erasure(done.tx, ERASED_WITHIN).await?;
            let row = row.ok_or_else(|| {
                Failure::new(Exit::Unverified, "this does not hold: the erasure is on the ledger")
            })?;
            claim(row.effective, "enough members have confirmed")?;
            claim(
                row.complete,
                format_args!("all {members} members have confirmed, not only {}", row.receipted.count()),
            )?;
            stage.tell(format_args!(
                "ordered at height {}, confirmed by {} of {members} members",
                done.height,
                row.receipted.count()
            ));
        }
        let adams = self.client("riverside/dr-adams").await?;
        let opened = adams.open(&Ask::all(chart, Purpose::Treatment)).await?;
        let left =
            opened.records.iter().filter(|record| record.category.as_deref() != Some("general")).count();
        claim(left == 0, format_args!("not one of {left} sensitive records opens"))?;
        claim(opened.is_open(), "the general records still open")?;
        let psy = Category::parse("PSY").into_iter().collect();
        let again = patient.open(&Ask { categories: psy, ..Ask::all(chart, Purpose::PatientRequest) }).await;
        claim(!again.is_ok_and(|opened| opened.is_open()), "they open for the patient herself as little")?;
        Ok(format!(
            "{} records are gone, for the hospital's own doctor and for herself; {} others still open",
            self.special,
            opened.records.len()
        ))
    }
}

fn heroine(imported: &[Imported]) -> Result<Heroine, Failure> {
    let is_hers = |one: &&Imported| one.name.as_deref().is_some_and(|name| name.contains("Fionnuala"));
    let found = imported.iter().find(is_hers).and_then(|one| {
        let profile = one.profile.clone()?;
        Some(Heroine { chart: one.chart, profile, name: one.name.clone().unwrap_or_default() })
    });
    found.ok_or_else(|| {
        Failure::new(Exit::Unverified, "this does not hold: the shipped patients have charts and profiles")
    })
}

/// A later finding of the same patient: her Patient resource as it was submitted, and an Observation.
fn later() -> Result<Vec<u8>, Failure> {
    let bundle = read(bundles::content(bundles::HEROINE))?;
    let wrong = || Failure::new(Exit::Fault, "the shipped bundle has no patient");
    let patient =
        bundle.entries().find(|entry| entry.resource.as_ref().is_some_and(|one| one.kind == "Patient"));
    let patient = patient.ok_or_else(wrong)?;
    let full_url = patient.full_url.as_deref().ok_or_else(wrong)?;
    let resource = patient.resource.as_ref().ok_or_else(wrong)?.bytes();
    let observation = format!(
        r#"{{"resourceType":"Observation","status":"final","code":{{"text":"Body weight"}},"subject":{{"reference":"{full_url}"}},"valueQuantity":{{"value":61.50,"unit":"kg"}}}}"#
    );
    let records = [
        collect::Record { full_url: Some(full_url), resource },
        collect::Record {
            full_url: Some("urn:uuid:7d0c6f5e-1f54-4c62-9a43-0d7a4a5f1c11"),
            resource: observation.as_bytes(),
        },
    ];
    collect::collect(collect::Form::Collection, records, &Limits::default())
        .map_err(|error| Failure::new(Exit::Fault, format!("the finding can't be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_finding_is_of_the_same_patient() {
        let later = read(std::str::from_utf8(&later().unwrap()).unwrap()).unwrap();
        assert_eq!(later.entries().count(), 2);
        let assigned = fhir::assign::assign(&later);
        assert!(format!("{assigned:?}").len() > 2);
    }
}
