//! Transactions per second and time to finality of a committee on one machine, over TCP, with a machine that only counts.
//! `cargo bench -p horkos-consensus --bench throughput -- [validators] [transactions a second, 0: as many as go] [seconds]`
#![expect(clippy::unwrap_used, reason = "a measuring tool may fail aloud")]

use bytes::Bytes;
use consensus::{Config, Fault, FinalBlock, Machine, Member, Refused, Ticket};
use primitives::{Executed, Hash, Millis, NetworkId, SecretKey, StateRoot, TxId, domain, hash};
use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

const TX_BYTES: usize = 300;

#[derive(Default)]
struct Counting {
    executed: Mutex<(u64, usize, usize)>,
    sent: Arc<Mutex<HashMap<Bytes, Instant>>>,
    took: Mutex<Vec<Duration>>,
}

impl Machine for Counting {
    fn admit(&self, tx: &[u8]) -> Result<Ticket, Refused> {
        let id = TxId(hash(domain::TX_ID, &[tx]));
        Ok(Ticket { id, lanes: vec![Hash::default()], urgent: false, valid_until: Millis::MAX })
    }

    fn body_ok(&self, _: &[Bytes]) -> bool {
        true
    }

    fn executed(&self) -> Executed {
        Executed { height: self.executed.lock().unwrap().0, state_root: StateRoot::default() }
    }

    fn state_root(&self, height: u64) -> Option<StateRoot> {
        (height <= self.executed().height).then(StateRoot::default)
    }

    fn apply(&self, blocks: &[FinalBlock]) -> Result<(), Fault> {
        let mut sent = self.sent.lock().unwrap();
        let mut took = self.took.lock().unwrap();
        let mut executed = self.executed.lock().unwrap();
        for FinalBlock { header, txs, .. } in blocks {
            took.extend(txs.iter().filter_map(|tx| sent.remove(tx)).map(|at| at.elapsed()));
            *executed = (header.height, executed.1 + txs.len(), executed.2 + 1);
        }
        Ok(())
    }
}

fn main() {
    let given: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let [validators, rate, seconds] = [0, 1, 2].map(|i| given.get(i).copied().unwrap_or([4, 500, 10][i]));
    let held: Vec<_> = (0..validators).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let secret = |index: u64| SecretKey::from_seed(&[index as u8 + 1; 32]);
    let committee: Vec<Member> = (0..validators)
        .zip(&held)
        .map(|(index, listener)| Member {
            org: format!("org-{index}").parse().unwrap(),
            key: secret(index).public(),
            address: listener.local_addr().unwrap(),
        })
        .collect();
    drop(held);
    let temp = tempfile::tempdir().unwrap();
    let running: Vec<_> = (0..validators)
        .map(|index| {
            let machine = Arc::new(Counting::default());
            let config = Config::new(
                temp.path().join(format!("{index}")),
                temp.path().join(format!("marker-{index}")),
                NetworkId::default(),
                Millis(1),
                committee.clone(),
                secret(index),
                committee[index as usize].address,
            );
            (consensus::start(config, machine.clone()).unwrap(), machine)
        })
        .collect();
    futures::executor::block_on(running[0].0.executed(2));
    let (start, length) = (Instant::now(), Duration::from_secs(seconds));
    let before = *running[0].1.executed.lock().unwrap();
    let (mut n, mut refused) = (0_u64, 0_u64);
    while start.elapsed() < length {
        let due = if rate == 0 { u64::MAX } else { (start.elapsed().as_secs_f64() * rate as f64) as u64 };
        while n < due && start.elapsed() < length {
            let (handle, machine) = &running[(n % validators) as usize];
            let mut tx = vec![0xab; TX_BYTES];
            tx[..8].copy_from_slice(&n.to_le_bytes());
            let tx = Bytes::from(tx);
            machine.sent.lock().unwrap().insert(tx.clone(), Instant::now());
            n += 1;
            if handle.submit(tx.clone()).is_err() {
                machine.sent.lock().unwrap().remove(&tx);
                refused += 1;
                break;
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    let after = *running[0].1.executed.lock().unwrap();
    let elapsed = start.elapsed().as_secs_f64();
    let mut took: Vec<_> =
        running.iter().flat_map(|(_, machine)| machine.took.lock().unwrap().clone()).collect();
    took.sort();
    let at = |q: f64| took.get((took.len() as f64 * q) as usize).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown").to_owned();
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.split(' ').skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    println!("{:.2} s of processor time in {elapsed:.1} s", ticks as f64 / 100.0);
    println!(
        "{validators} validators, {TX_BYTES}-byte transactions: {:.0} tx/s, {:.1} blocks/s, submit to executed p50 {:.1} ms \
         p99 {:.1} ms, {n} submitted, {refused} refused; {peak}, all validators in one process",
        (after.1 - before.1) as f64 / elapsed,
        (after.2 - before.2) as f64 / elapsed,
        at(0.5),
        at(0.99),
    );
    running.iter().for_each(|(handle, _)| drop(handle.stop()));
}
