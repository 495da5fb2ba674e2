//! This file is where the command line has its shape.

use crate::{
    commands::{
        audit, bench, chart, completions, consent, demo, erase, export, gateway, help, import, network, node,
        open, patient, profile, review, tx, verify,
    },
    context::Globals,
};
use clap::{Parser, Subcommand};

/// A shared ledger for health records: nobody reads without leaving a trace that the patient sees
///
/// Organisations run nodes; records are sealed before they leave whoever wrote them; the patient decides who may read; a
/// key is released only after the access was decided and recorded. Begin with `horkos demo`.
#[derive(Parser, Debug)]
#[command(
    name = "horkos",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(after_help = "`horkos help exit-codes` lists the exit statuses.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    Demo(demo::Demo),
    Import(import::Import),
    #[command(subcommand)]
    Chart(chart::Chart),
    #[command(subcommand)]
    Patient(patient::Patient),
    #[command(subcommand)]
    Consent(consent::ConsentCommand),
    Open(open::Open),
    Audit(audit::AuditArgs),
    Explain(audit::ExplainArgs),
    Review(review::ReviewArgs),
    Erase(erase::Erase),
    Export(export::Export),
    Verify(verify::Verify),
    Checkpoint(export::CheckpointArgs),
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    #[command(subcommand)]
    Network(network::Network),
    #[command(subcommand)]
    Node(node::Node),
    #[command(subcommand)]
    Gateway(gateway::Gateway),
    /// Send any kind of transaction by its name and fields
    #[command(subcommand)]
    Tx(tx::Tx),
    #[command(subcommand)]
    Bench(bench::Bench),
    Completions(completions::Completions),
    Help(help::Help),
}
