//! This file is where FHIR files become charts.

use crate::{context::Context, exit::Failure, out::Table, words::short};
use clap::Args;
use client::import::{ImportError, ImportOptions, Imported, Progress};
use indicatif::ProgressBar;
use std::path::PathBuf;

/// Import FHIR R4 bundles: one chart per patient, sealed before anything leaves this machine
///
/// Everything is read and checked first; one bad file and nothing is imported. What belongs to no patient goes to the
/// organisation's directory chart. What the organisation imported before byte for byte isn't written again; what has
/// changed becomes the resource's next version. In a demonstration network every new chart gets a patient profile, which owns it.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// Bundles, or folders of them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

struct Bar(ProgressBar);

impl Progress for Bar {
    fn planned(&self, _charts: usize, resources: usize) {
        self.0.set_length(resources as u64);
    }

    fn written(&self, resources: usize) {
        self.0.inc(resources as u64);
    }

    fn done(&self, _imported: &Imported) {}
}

pub(crate) async fn run(args: &Import, ctx: &Context) -> Result<(), Failure> {
    let client = ctx.client().await?;
    let bar = Bar(ctx.out.bar(0, "sealing and committing"));
    let result = client.import(&args.files, &ImportOptions::default(), &bar).await;
    bar.0.finish_and_clear();
    match result {
        Ok(imported) => show(&imported, ctx),
        Err(ImportError::Interrupted { done, all, source }) => {
            show(&done, ctx)?;
            Err(ImportError::Interrupted { done, all, source }.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn show(imported: &[Imported], ctx: &Context) -> Result<(), Failure> {
    if ctx.out.json {
        return ctx.out.json(&imported);
    }
    let mut table = Table::new(&["chart", "records", "unchanged", "pack", "height", "patient", "profile"]);
    for one in imported {
        let name = if one.directory { "(directory)" } else { one.name.as_deref().unwrap_or("(unnamed)") };
        let profile = one.profile.as_ref().map(ToString::to_string).unwrap_or_default();
        table.row([
            short(one.chart),
            one.records.to_string(),
            one.unchanged.to_string(),
            one.pack.map(short).unwrap_or_default(),
            one.height.map(|height| height.to_string()).unwrap_or_default(),
            name.to_owned(),
            profile,
        ]);
    }
    ctx.out.table(&table);
    let records: usize = imported.iter().map(|one| one.records).sum();
    ctx.out.say(format_args!("{records} records in {} charts are sealed and final.", imported.len()));
    let unchanged: usize = imported.iter().map(|one| one.unchanged).sum();
    if unchanged > 0 {
        ctx.out.say(format_args!(
            "{unchanged} resources were there already, unchanged, and weren't written again."
        ));
    }
    Ok(())
}
