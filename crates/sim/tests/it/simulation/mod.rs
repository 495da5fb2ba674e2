//! Four members on a simulated clock and network, their states, blocks and shares on a real disk: production code but for
//! clock, network and the engine's journal. See `docs/simulation.md`.

mod chain;
mod clients;
mod director;
mod liar;
mod member;
mod network;
mod readers;
mod story;
mod tests;
mod verdict;
mod writes;
