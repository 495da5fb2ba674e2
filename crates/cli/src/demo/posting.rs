//! This file is where a hospital's records come in by its front door: bundles are posted as transactions, and each patient
//! claims her chart with a code that the hospital hands her.

use super::{bundles, caller::App, lay::Laid, stage::claim, story::Tour, writing::read};
use crate::exit::{Exit, Failure};
use client::{
    About, ClaimTerms, Client, SystemHost,
    import::Imported,
    keys::{Lock, ProfileName},
};
use fhir::{Bundle, BundleType};
use futures::{StreamExt as _, stream};
use ledger::{Event, charts::Role};
use primitives::ChartId;
use serde_json::{Value, json};

/// Bundles posted at once.
const AT_ONCE: usize = 4;

impl Tour<'_> {
    /// Posts all shipped bundles to Riverside's gateway: what belongs to no patient first, since the others refer to it.
    pub(super) async fn post_all(&self) -> Result<Vec<Imported>, Failure> {
        let missing = || Failure::new(Exit::Fault, "there is no gateway");
        let door = self.doors.first().ok_or_else(missing)?;
        let laid = self.plan.members.iter().find(|laid| laid.org == door.org).ok_or_else(missing)?;
        let app = &App::at(door).await?;
        let registrar = &self.client("riverside/registrar").await?;
        let (directories, patients): (Vec<_>, Vec<_>) =
            bundles::BUNDLES.iter().partition(|(name, _)| name.ends_with("-directory.json"));
        let mut imported = Vec::new();
        for some in [directories, patients] {
            let mut posted = stream::iter(some.into_iter().map(|(name, content)| async move {
                self.post(app, registrar, laid, content)
                    .await
                    .map_err(|failure| Failure { message: format!("{name}: {}", failure.message), ..failure })
            }))
            .buffered(AT_ONCE);
            while let Some(one) = posted.next().await {
                imported.extend(one?);
            }
        }
        Ok(imported)
    }

    /// Posts a bundle; what came into each chart of it.
    async fn post(
        &self,
        app: &App,
        registrar: &Client,
        laid: &Laid,
        content: &str,
    ) -> Result<Vec<Imported>, Failure> {
        let bundle = read(content)?;
        let (status, answer) = app.post("", transaction(content, &bundle)).await?;
        claim(status == 200, format_args!("the transaction is taken: {status} {answer}"))?;
        let numbers = numbers(&bundle);
        if numbers.is_empty() {
            return Ok(vec![self.taken(registrar, About::Directory).await?]);
        }
        let mut imported = Vec::new();
        for number in &numbers {
            let one = self.taken(registrar, About::Patient(number)).await?;
            let profile = self.hand_over(registrar, laid, one.chart, one.name.as_deref()).await?;
            imported.push(Imported { profile: Some(profile), ..one });
        }
        Ok(imported)
    }

    /// What came into a chart, as the ledger has it.
    async fn taken(&self, registrar: &Client, about: About<'_>) -> Result<Imported, Failure> {
        let directory = matches!(about, About::Directory);
        let chart = registrar.known_chart(about).await?;
        let chart =
            chart.ok_or_else(|| Failure::new(Exit::Unverified, "this does not hold: the chart is known"))?;
        let (mut records, mut packs, mut height) = (0, Vec::new(), None);
        for line in registrar.log(chart, 0).await? {
            if let Some(Event::Committed(commit)) = &line.event {
                // The chart's tag key lies in a record of its own, in the compartment of that role.
                let keys = commit.opened.iter().filter(|(_, _, role)| *role == Role::Index).count();
                records += usize::try_from(commit.records).unwrap_or(usize::MAX).saturating_sub(keys);
                packs.push(commit.pack);
                height = Some(line.logged.height);
            }
        }
        let name = registrar.chart_note(&chart).await?.and_then(|note| note.name);
        let pack = packs.last().copied();
        Ok(Imported {
            chart,
            records,
            unchanged: 0,
            pack,
            height,
            packs,
            directory,
            created: true,
            name,
            profile: None,
        })
    }

    /// The registrar hands the patient a code, and she claims her chart with a key of her own.
    async fn hand_over(
        &self,
        registrar: &Client,
        laid: &Laid,
        chart: ChartId,
        name: Option<&str>,
    ) -> Result<ProfileName, Failure> {
        let code = registrar.make_claim_code(chart).await?;
        let terms = ClaimTerms {
            home: self.plan.dir.clone(),
            node: laid.rpc.to_string(),
            server: laid.org.clone(),
            genesis: "genesis.json".into(),
            code,
            display: name.unwrap_or("the patient").to_owned(),
        };
        Ok(Client::use_claim_code(&terms, &Lock::Plain, SystemHost::shared()).await?.profile)
    }
}

/// The numbers by which the hospital knows the bundle's patients, each as `system|value`.
fn numbers(bundle: &Bundle) -> Vec<String> {
    let patients = bundle.entries().filter_map(|entry| entry.resource).filter(|one| one.kind == "Patient");
    let number = |bytes: &[u8]| {
        let resource: Value = serde_json::from_slice(bytes).ok()?;
        let part = |name: &str| resource.pointer(&format!("/identifier/0/{name}")).and_then(Value::as_str);
        Some(format!("{}|{}", part("system")?, part("value")?))
    };
    patients.filter_map(|one| number(one.bytes())).collect()
}

/// A bundle as a transaction, each resource byte for byte as it stands there.
fn transaction(content: &str, bundle: &Bundle) -> String {
    if bundle.kind() == BundleType::Transaction {
        return content.to_owned();
    }
    let entries = bundle.entries().filter_map(|entry| {
        let resource = entry.resource?;
        let request = match &resource.id {
            Some(id) => json!({ "method": "PUT", "url": format!("{}/{id}", resource.kind) }),
            None => json!({ "method": "POST", "url": resource.kind }),
        };
        let full_url = Value::from(entry.full_url.as_deref());
        let bytes = String::from_utf8_lossy(resource.bytes());
        Some(format!(r#"{{"fullUrl":{full_url},"resource":{bytes},"request":{request}}}"#))
    });
    let entries: Vec<String> = entries.collect();
    format!(r#"{{"resourceType":"Bundle","type":"transaction","entry":[{}]}}"#, entries.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_bundle_can_be_posted() {
        for (name, content) in bundles::BUNDLES {
            let bundle = read(content).unwrap();
            let posted = read(&transaction(content, &bundle)).unwrap();
            assert_eq!(posted.kind(), BundleType::Transaction, "{name}");
            assert_eq!(posted.entries().count(), bundle.entries().count(), "{name}");
            for (posted, shipped) in posted.entries().zip(bundle.entries()) {
                assert!(posted.request.is_some(), "{name}");
                let bytes = |entry: &fhir::Entry<'_>| entry.resource.as_ref().unwrap().bytes().to_vec();
                assert_eq!(bytes(&posted), bytes(&shipped), "{name}");
            }
            assert_eq!(numbers(&bundle).is_empty(), name.ends_with("-directory.json"), "{name}");
        }
    }
}
