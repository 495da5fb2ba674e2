//! This file is where the demonstration is begun and ended.

use super::network::check_empty;
use crate::{
    context::Context,
    demo::{Door, Nodes, Plan, Stage, Tour, lay_doors, lay_out, tell, write_summary},
    exit::{Exit, Failure},
};
use clap::Args;
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Found a network of organisations on this machine and walk through the whole story, each step checked
///
/// Every organisation's node is a process of its own on loopback. After the tour the network stays up, to be tried out;
/// Ctrl-C ends it. DIR/demo.json then tells where everything is.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Where to put the network; must be empty or missing, and stays [default: a folder that is removed at the end]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How many organisations take part; steps of the story that need more are left out
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=7))]
    validators: u8,
    /// Import these bundles too: files or folders of FHIR R4 bundles
    #[arg(long = "import", value_name = "PATH")]
    imports: Vec<PathBuf>,
    /// End after the tour: with status 0 only if every step held
    #[arg(long)]
    once: bool,
}

/// What ends the demonstration from outside.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(|error| Failure::new(Exit::Fault, format!("signals: {error}")));
        Ok(Self { interrupt: of(SignalKind::interrupt())?, terminate: of(SignalKind::terminate())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

pub(crate) async fn run(args: Demo, ctx: &Context) -> Result<Exit, Failure> {
    for path in &args.imports {
        fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
    }
    let mut signals = Signals::new()?;
    let (dir, temporary) = folder(args.dir.as_deref())?;
    let plan = lay_out(&dir, usize::from(args.validators))?;
    let doors = lay_doors(&plan)?;
    let mut stage = Stage::new(ctx.out);
    stage.opening(
        "Horkos: nobody reads without leaving a trace that the patient sees",
        "A network of organisations on this machine. Everything you see is done by the real parts: separate processes, \
         signatures, consensus, sealed records, key shares. Every step checks what it claims.",
    );
    let spinner = ctx.out.spinner("founding the network");
    let started = tokio::select! {
        started = Nodes::start(&plan, &doors) => started,
        () = signals.any() => Err(Failure::new(Exit::Fault, "interrupted")),
    };
    spinner.finish_and_clear();
    let mut nodes = started?;
    let ended = tokio::select! {
        ended = tour(&args, &plan, &doors, &mut nodes, &mut stage, ctx) => ended,
        () = signals.any() => Ok(Exit::Done),
    };
    ctx.out.say("Stopping the nodes.");
    let clean = nodes.stop().await;
    // Removed only now, when nobody writes into it any more.
    drop(temporary);
    match ended? {
        Exit::Done if !clean => {
            Err(Failure::new(Exit::Fault, "a node did not end cleanly; its log says why"))
        }
        exit => Ok(exit),
    }
}

/// The program's folder, if a shell wouldn't find the program by its name.
fn unknown_folder() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let folder = program.parent()?;
    let path = env::var_os("PATH")?;
    let first = env::split_paths(&path).find(|folder| folder.join("horkos").is_file());
    (first.as_deref() != Some(folder)).then(|| folder.to_owned())
}

fn folder(dir: Option<&Path>) -> Result<(PathBuf, Option<TempDir>), Failure> {
    if let Some(dir) = dir {
        check_empty(dir)?;
        fs::create_dir_all(dir)
            .map_err(|error| Failure::new(Exit::Machine, format!("`{}`: {error}", dir.display())))?;
        return Ok((fs::canonicalize(dir).map_err(|error| Failure::file(dir, &error))?, None));
    }
    let temporary = tempfile::Builder::new().prefix("horkos-demo-").tempdir();
    let temporary =
        temporary.map_err(|error| Failure::new(Exit::Machine, format!("no temporary folder: {error}")))?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

async fn tour(
    args: &Demo,
    plan: &Plan,
    doors: &[Door],
    nodes: &mut Nodes,
    stage: &mut Stage,
    ctx: &Context,
) -> Result<Exit, Failure> {
    let mut tour = Tour::new(plan, doors, &args.imports);
    tell(&mut tour, stage).await;
    stage.close()?;
    let summary = write_summary(plan, doors, nodes)?;
    let held = stage.all_held();
    stage.note(if held { "Every step held." } else { "A step did not hold; the nodes' logs may say why." });
    if args.once {
        return Ok(if held { Exit::Done } else { Exit::Unverified });
    }
    stage.note("");
    stage.note("The network stays up until Ctrl-C. In another terminal:");
    stage.note("");
    stage.note(format_args!("  export HORKOS_HOME={}", plan.dir.display()));
    if let Some(folder) = unknown_folder() {
        stage.note(format_args!("  export PATH=\"{}:$PATH\"", folder.display()));
    }
    for command in tour.suggestions() {
        stage.note(format_args!("  horkos {command}"));
    }
    let lines = tour.lines();
    if !lines.is_empty() {
        stage.note("");
        stage.note("And over FHIR, as an app of Riverside's doctor:");
        stage.note("");
        for line in lines {
            stage.note(format_args!("  {line}"));
        }
    }
    stage.note("");
    stage.note(format_args!("Where everything is: {}", summary.display()));
    loop {
        let ended = nodes.next_end().await;
        ctx.out.say(format_args!("{ended}. Start it again with `horkos node start --config …/node.toml`."));
    }
}
