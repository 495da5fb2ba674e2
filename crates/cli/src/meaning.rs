//! This file is where a full check of the store learns what the ledger knows of stored entries: logs, blocks, receipts.

use ledger::{BLOCKS, Logged, Receipt, execute::LOGS, receipt::LogHead};
use primitives::{ChartId, Hash, Header, State, TxId, decode, merkle_root};
use store::Meaning;

/// What the ledger means by what it stored.
pub(crate) struct Ledger;

impl Meaning for Ledger {
    fn is_log_head(&self, key: &[u8], value: &[u8]) -> bool {
        let is_head = LOGS.key(&ChartId::default()).first() == key.first();
        is_head && decode::<LogHead>(value).is_ok_and(|head| head.count > 0)
    }

    fn log_head(&self, state: &dyn State, chart: &ChartId) -> Option<store::LogHead> {
        LOGS.get(state, chart).map(|head| store::LogHead { count: head.count, digest: head.head })
    }

    fn next(&self, chart: &ChartId, running: &Hash, event: &[u8]) -> Hash {
        // What can't be read, or belongs to another chart, must not come to the right digest.
        match decode::<Logged>(event) {
            Ok(line) if line.chart == *chart => {
                LogHead { count: line.index, head: *running }.after(&line).head
            }
            Ok(_) | Err(_) => Hash::default(),
        }
    }

    fn check_block(
        &self,
        state: &dyn State,
        header: &Header,
        receipts: &[(TxId, Vec<u8>)],
    ) -> Result<(), String> {
        for (tx, bytes) in receipts {
            let receipt: Receipt =
                decode(bytes).map_err(|error| format!("the receipt of {tx} can't be read: {error}"))?;
            if receipt.tx != *tx {
                return Err(format!("the receipt of {tx} is that of {}", receipt.tx));
            }
        }
        // The genesis block has no row: rows are written by execution, which begins at height 1.
        if header.height == 0 {
            return Ok(());
        }
        let row = BLOCKS.get(state, &header.height).ok_or("the state has no row of the block")?;
        if row.hash != header.hash() {
            return Err("the state's row names another block".to_owned());
        }
        if row.time != header.time {
            return Err("the state's row has another time".to_owned());
        }
        let bytes: Vec<&[u8]> = receipts.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        if merkle_root(&bytes) != row.receipts_root {
            return Err("the receipts are not those that the state names".to_owned());
        }
        Ok(())
    }
}
