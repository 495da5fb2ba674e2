//! This file is where a plan is carried out: several charts at once, each from its creation to its last pack.

use super::{
    ImportError, Imported,
    plan::{Job, Plan},
    seal::{Batch, Item, batches},
    write::Target,
};
use crate::{
    actor::Actor,
    client::Client,
    committee::Committee,
    host::{self, heavy},
    notes::{About, ChartNote},
};
use envelope::TagKey;
use fhir::Limits;
use futures::{StreamExt as _, stream};
use ledger::charts::{self, Create};
use primitives::{ChartId, PrincipalId, State};
use rand_core::CryptoRng;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// How an import goes.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Charts in work at once.
    pub charts_at_once: usize,
    /// What of a file is accepted.
    pub limits: Limits,
}

impl Default for ImportOptions {
    fn default() -> Self {
        let limits = Limits { resource_bytes_max: crate::record::RESOURCE_BYTES_MAX, ..Limits::default() };
        Self { charts_at_once: 6, limits }
    }
}

/// Hears how an import goes.
pub trait Progress: Send + Sync {
    /// All files are read and in order.
    fn planned(&self, charts: usize, resources: usize);
    /// So many more resources are final.
    fn written(&self, resources: usize);
    /// A chart is done.
    fn done(&self, imported: &Imported);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn planned(&self, _: usize, _: usize) {}
    fn written(&self, _: usize) {}
    fn done(&self, _: &Imported) {}
}

impl Client {
    /// Imports files, or folders of them: one chart per patient, what belongs to no patient into the organisation's
    /// directory chart. Nothing is written before every file was read and found in order.
    ///
    /// # Errors
    /// [`ImportError`]; once writing has begun, [`ImportError::Interrupted`] with what is done.
    pub async fn import(
        &self,
        paths: &[PathBuf],
        options: &ImportOptions,
        progress: &dyn Progress,
    ) -> Result<Vec<Imported>, ImportError> {
        if matches!(self.actor, Actor::Person(_)) {
            return Err(ImportError::NotAWriter);
        }
        let plan = Arc::new(Plan::make(self, paths, &options.limits).await?);
        let jobs: Vec<usize> = (0..plan.jobs.len()).filter(|job| !plan.jobs[*job].parts.is_empty()).collect();
        progress.planned(jobs.len(), plan.resources);
        let committee = Arc::new(self.committee().await?);
        let all = jobs.len();
        // After a failure the charts in work are finished and no further ones begun.
        let stopped = AtomicBool::new(false);
        let stopped = &stopped;
        let mut results = stream::iter(jobs.into_iter().enumerate().map(|(at, job)| {
            let (plan, committee) = (Arc::clone(&plan), Arc::clone(&committee));
            async move {
                if stopped.load(Ordering::Relaxed) {
                    return (at, None);
                }
                (at, Some(self.import_job(&plan, job, committee, &options.limits, progress).await))
            }
        }))
        .buffer_unordered(options.charts_at_once.max(1));
        let mut done: Vec<(usize, Imported)> = Vec::new();
        let mut failed = None;
        while let Some((at, result)) = results.next().await {
            match result {
                Some(Ok(imported)) => {
                    progress.done(&imported);
                    done.push((at, imported));
                }
                Some(Err(error)) => {
                    stopped.store(true, Ordering::Relaxed);
                    failed = failed.or(Some(error));
                }
                None => {}
            }
        }
        done.sort_by_key(|(at, _)| *at);
        let done: Vec<Imported> = done.into_iter().map(|(_, imported)| imported).collect();
        match failed {
            None => Ok(done),
            Some(error) => Err(ImportError::Interrupted { done, all, source: Box::new(error) }),
        }
    }

    async fn import_job(
        &self,
        plan: &Arc<Plan>,
        job: usize,
        committee: Arc<Committee>,
        limits: &Limits,
        progress: &dyn Progress,
    ) -> Result<Imported, ImportError> {
        let author = self.actor.principal();
        let framed = {
            let (plan, limits) = (Arc::clone(plan), limits.clone());
            let mut rng = host::rng(&*self.host);
            heavy(&*self.host, move || frame(&mut rng, &plan, &plan.jobs[job], &limits, author))
        };
        let work = &plan.jobs[job];
        let chart = work.chart;
        let seat = self.seat.as_deref().filter(|_| work.patient && !work.exists && !work.directory);
        let (framed, target, patient) = futures::join!(
            framed,
            self.target(work, committee),
            self.make_patient(seat, chart, work.name.as_deref())
        );
        let (framed, mut target, patient) = (framed?, target?, patient?);
        let mut packs = Vec::new();
        let mut records = 0;
        let mut height = 0;
        for batch in framed {
            let batch = Arc::new(batch);
            let (pack, done) = self.write_batch(&mut target, &batch).await?;
            packs.push(pack);
            height = done.height;
            records += batch.len();
            progress.written(batch.len());
        }
        for token in &work.tokens {
            self.remember_chart(About::Patient(token), chart).await?;
        }
        if work.directory && !work.exists {
            self.remember_chart(About::Directory, chart).await?;
        }
        let profile = match (seat, patient) {
            (Some(seat), Some(patient)) => Some(self.claim_for(seat, patient, chart).await?),
            (Some(_) | None, None) | (None, Some(_)) => None,
        };
        Ok(Imported {
            chart,
            records,
            pack: packs.last().copied().unwrap_or_default(),
            height,
            packs,
            directory: work.directory,
            created: !work.exists,
            name: work.name.clone(),
            profile,
        })
    }

    /// The chart to be written into: made, or found in the notes.
    async fn target(&self, work: &Job, committee: Arc<Committee>) -> Result<Target, ImportError> {
        let chart = work.chart;
        if work.exists {
            let note = self.chart_note(&chart).await?.ok_or(ImportError::NoNote(chart))?;
            // An import that stopped before its first commit leaves a chart without compartments, an erasure an erased one.
            let index = |state: &dyn State| {
                let id = charts::chart(state, &chart).and_then(|row| row.index)?;
                charts::compartment(state, &id).filter(|row| !charts::is_erased(state, row))
            };
            let fresh = self.view(index).await?.0.is_none();
            return Ok(Target { chart, note, fresh, committee });
        }
        let tag_key = TagKey::generate(&mut host::rng(&*self.host));
        let note = ChartNote { tag_key, name: work.name.clone(), open: Vec::new() };
        self.act(Create { chart, directory: work.directory }).await?;
        Ok(Target { chart, note, fresh: true, committee })
    }
}

/// All resources of a job, framed and dealt into packs.
fn frame(
    rng: &mut impl CryptoRng,
    plan: &Plan,
    job: &Job,
    limits: &Limits,
    author: Option<PrincipalId>,
) -> Result<Vec<Batch>, ImportError> {
    let mut items = Vec::new();
    for part in &job.parts {
        let bundle = plan.sources[part.source].bundle(limits)?;
        let mut batch = [0; 16];
        rng.fill_bytes(&mut batch);
        for assigned in &part.entries {
            let also = assigned.also.iter().filter_map(|group| part.jobs.get(*group));
            let also: Vec<ChartId> =
                also.map(|job| plan.jobs[*job].chart).filter(|chart| *chart != job.chart).collect();
            items.push(Item { bundle: Arc::clone(&bundle), entry: assigned.entry, batch, also });
        }
    }
    let first = job.parts.first().map(|part| plan.sources[part.source].path.clone()).unwrap_or_default();
    batches(&items, author).map_err(|reason| ImportError::Content { path: first, reason })
}
