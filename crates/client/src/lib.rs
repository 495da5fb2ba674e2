//! How programs use the network: submit and await finality, read with verified proofs, seal and open charts, export and
//! verify, and keep keys in files. Holds no server state.

pub mod wire;
