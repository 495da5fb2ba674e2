//! This file is where the committee signs a header as the engine has it signed.

use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_consensus::{
    simplex::{
        scheme::ed25519::Scheme,
        types::{Finalization, Proposal, Subject},
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{certificate::Scheme as _, ed25519, sha256};
use commonware_parallel::Sequential;
use commonware_utils::{TryCollect as _, non_empty, ordered::Set};
use primitives::{Header, NetworkId, SecretKey, domain, hash};

/// A certificate over `header` by all of `keys`.
pub(crate) fn certify(network: NetworkId, header: &Header, keys: &[SecretKey]) -> Vec<u8> {
    let namespace = hash(domain::CONSENSUS, &[&network.0.0]).0;
    let participants: Set<ed25519::PublicKey> = keys
        .iter()
        .map(|key| ed25519::PublicKey::decode(Copying(&key.public().0)).unwrap())
        .try_collect()
        .unwrap();
    let round = Round::new(Epoch::new(header.epoch), View::new(header.view));
    let digest = sha256::Digest::from(header.hash().0.0);
    let proposal = Proposal::new(round, View::new(header.parent_view), digest);
    let votes: Vec<_> = keys
        .iter()
        .map(|key| {
            let secret = ed25519::PrivateKey::decode(Copying(key.to_seed().as_slice())).unwrap();
            let scheme = Scheme::signer(&namespace, participants.clone(), secret).unwrap();
            scheme.sign::<sha256::Digest>(Subject::Finalize { proposal: &proposal }).unwrap()
        })
        .collect();
    let scheme = Scheme::verifier(&namespace, participants);
    let certificate = scheme.assemble(non_empty![@votes.into_iter()], &Sequential).unwrap();
    Finalization::<Scheme, sha256::Digest> { proposal, certificate }.encode().to_vec()
}
