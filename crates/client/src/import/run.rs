//! This file is where a plan is carried out: several charts at once, each from its creation to its last pack.

use super::{
    ImportError, Imported,
    frame::{Naming, frame, loads},
    plan::{Job, Plan},
};
use crate::{
    actor::Actor,
    client::Client,
    host::{self, heavy},
    write::{NewChart, NewRecord, Remembered},
};
use fhir::Limits;
use futures::{StreamExt as _, stream};
use primitives::{ChartId, PackRoot};
use std::{
    collections::{BTreeMap, BTreeSet},
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
        let all = jobs.len();
        // After a failure the charts in work are finished and no further ones begun.
        let stopped = AtomicBool::new(false);
        let stopped = &stopped;
        let mut results = stream::iter(jobs.into_iter().enumerate().map(|(at, job)| {
            let plan = Arc::clone(&plan);
            async move {
                if stopped.load(Ordering::Relaxed) {
                    return (at, None);
                }
                (at, Some(self.import_job(&plan, job, &options.limits, progress).await))
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
        limits: &Limits,
        progress: &dyn Progress,
    ) -> Result<Imported, ImportError> {
        let author = self.actor.practitioner();
        let work = &plan.jobs[job];
        let chart = work.chart;
        let seat = self.seat.as_deref().filter(|_| work.patient && !work.exists && !work.directory);
        let (target, patient) =
            futures::join!(self.target(work), self.make_patient(seat, chart, work.name.as_deref()));
        let (naming, patient) = (target?, patient?);
        let framed = {
            let (plan, limits) = (Arc::clone(plan), limits.clone());
            let mut rng = host::rng(&*self.host);
            heavy(&*self.host, move || frame(&mut rng, &plan, &plan.jobs[job], &limits, &naming, author))
                .await?
        };
        let (framed, unchanged) = self.only_new(chart, framed).await?;
        progress.written(unchanged);
        let mut packs: Vec<PackRoot> = Vec::new();
        let mut records = 0;
        let mut height = None;
        for load in loads(framed) {
            let placed = self.write(chart, load).await?;
            for one in &placed {
                if packs.last() != Some(&one.pack) {
                    packs.push(one.pack);
                }
                height = Some(one.height);
            }
            records += placed.len();
            progress.written(placed.len());
        }
        let profile = match (seat, patient) {
            (Some(seat), Some(patient)) => Some(self.claim_for(seat, patient, chart).await?),
            (Some(_) | None, None) | (None, Some(_)) => None,
        };
        Ok(Imported {
            chart,
            records,
            unchanged,
            pack: packs.last().copied(),
            height,
            packs,
            directory: work.directory,
            created: !work.exists,
            name: work.name.clone(),
            profile,
        })
    }

    /// Gives each record its version: the one after that which the organisation wrote last. What it wrote last byte for
    /// byte is left out, and counted.
    async fn only_new(
        &self,
        chart: ChartId,
        framed: Vec<NewRecord>,
    ) -> Result<(Vec<NewRecord>, usize), ImportError> {
        let name = |new: &NewRecord| (new.record.around.kind.clone(), new.record.around.id.clone());
        let names: BTreeSet<_> = framed.iter().map(name).collect();
        let asked: Vec<(&str, &str)> = names.iter().map(|(kind, id)| (&**kind, &**id)).collect();
        let known = self.remembered(chart, &asked).await?;
        let mut newest: BTreeMap<_, Remembered> =
            names.iter().zip(known).filter_map(|(name, known)| Some((name.clone(), known?))).collect();
        let all = framed.len();
        let mut fresh = Vec::new();
        for mut new in framed {
            let content = Remembered::digest(false, &new.record.bytes);
            let name = name(&new);
            let before = newest.get(&name);
            if before.is_some_and(|before| before.content == content) {
                continue;
            }
            let version = before.map_or(0, |before| before.version).saturating_add(1);
            new.record.around.version = version;
            newest.insert(name, Remembered { version, content });
            fresh.push(new);
        }
        let unchanged = all - fresh.len();
        Ok((fresh, unchanged))
    }

    /// Finds or makes the chart to be written into, and gives what its resources are named by.
    async fn target(&self, work: &Job) -> Result<Naming, ImportError> {
        let chart = work.chart;
        let new = NewChart {
            tokens: work.tokens.iter().cloned().collect(),
            name: work.name.clone(),
            directory: work.directory,
            id: Some(chart),
        };
        let made = self.create_chart(&new).await?;
        if made.chart != chart {
            return Err(ImportError::Raced(made.chart));
        }
        let note = self.chart_note(&chart).await?.ok_or(ImportError::NoNote(chart))?;
        Ok(Naming { tag_key: note.tag_key, writer: self.org.clone() })
    }
}
