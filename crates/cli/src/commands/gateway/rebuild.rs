//! This file is where a gateway's working set is filled again after it was lost.

use super::{start::of_start, store::ConfigPath};
use crate::{
    context::{Context, known_passphrase},
    exit::{Exit, Failure, chain},
};
use clap::Args;
use client::SystemHost;
use gateway::start::{RebuildProgress, Rebuilt, RebuiltChart, rebuild};
use indicatif::ProgressBar;
use serde_json::json;

/// Read again what the organisation wrote, after the gateway's working set was lost
///
/// The working set is an index and needs no backup. This reads each chart into which the organisation wrote, as the
/// organisation itself and for its operations (HOPERAT): every reading is an access, decided, recorded and seen by the patient.
/// What others wrote comes back when somebody opens the chart who may see it. The gateway may run meanwhile.
#[derive(Args, Debug)]
pub(crate) struct Rebuild {
    #[command(flatten)]
    gateway: ConfigPath,
}

struct Bar(ProgressBar);

impl RebuildProgress for Bar {
    fn planned(&self, charts: usize) {
        self.0.set_length(charts as u64);
    }

    fn done(&self, _chart: &RebuiltChart) {
        self.0.inc(1);
    }
}

pub(super) async fn run(args: &Rebuild, ctx: &Context) -> Result<(), Failure> {
    let config = args.gateway.load()?;
    let bar = Bar(ctx.out.bar(0, "reading charts"));
    let charts = rebuild(&config, known_passphrase(), SystemHost::shared(), &bar).await;
    bar.0.finish_and_clear();
    let charts = charts.map_err(|error| of_start(&error))?;
    show(&charts, ctx)?;
    let failed = charts.iter().filter(|chart| chart.result.is_err()).count();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(Exit::Unreachable, format!("{failed} charts couldn't be read; run it again")))
}

fn show(charts: &[RebuiltChart], ctx: &Context) -> Result<(), Failure> {
    if ctx.out.json {
        return ctx.out.json(&charts.iter().map(shown).collect::<Vec<_>>());
    }
    for RebuiltChart { chart, result } in charts {
        match result {
            Err(error) => ctx.out.say(format_args!("chart {chart}: {}", chain(error))),
            Ok(Rebuilt { denied, damaged, .. }) if denied + damaged > 0 => ctx.out.say(format_args!(
                "chart {chart}: {denied} classes aren't permitted any more, {damaged} records couldn't be read"
            )),
            Ok(_) => {}
        }
    }
    let done = charts.iter().filter_map(|chart| chart.result.as_ref().ok());
    let versions: usize = done.map(|rebuilt| rebuilt.versions).sum();
    ctx.out.say(format_args!("{versions} versions of resources in {} charts were read.", charts.len()));
    Ok(())
}

fn shown(chart: &RebuiltChart) -> serde_json::Value {
    let RebuiltChart { chart, result } = chart;
    match result {
        Ok(Rebuilt { access, versions, denied, damaged }) => json!({
            "chart": chart, "access": access, "versions": versions, "denied": denied, "damaged": damaged,
        }),
        Err(error) => json!({ "chart": chart, "error": chain(error) }),
    }
}
