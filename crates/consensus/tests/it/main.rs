//! The engine over real TCP, real files and real processes, and under simulation.

mod cluster;
mod damage;
mod ledger;
mod network;
mod process;
mod simulation;
mod stranger;
mod torsion;
