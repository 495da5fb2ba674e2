//! This file is where trustees are asked directly, past the client's good manners, and give nothing that isn't due.

use crate::network::{ADAMS, BAKER, Network, compartments, until};
use client::{
    Client, SystemHost,
    audit::{GrantTerms, What},
    host,
    rpc::CallError,
    wire::{Code, Fetch, FetchPack, Release, ReleaseShares, Released},
};
use envelope::{Gathering, Pack, SessionKey, Wanted};
use futures::future::join_all;
use ledger::{
    Act,
    access::{Extent, Request, Withheld},
    consent::{Action, Effect, Purpose},
    governance::Params,
};
use primitives::{ChartId, CompartmentBody, CompartmentId, Hash, Span, TxId};

const PATIENT: &str = "fionnuala-o-dalaigh.json";

pub(crate) fn session() -> SessionKey {
    SessionKey::generate(&mut host::rng(&SystemHost))
}

/// Asks the ledger, as a reader whose client is her own.
pub(crate) async fn request(client: &Client, chart: ChartId, purpose: Purpose, key: &SessionKey) -> TxId {
    let asked =
        Request { chart, purpose, extent: Extent::All, session_key: key.hash(), record: Hash::default() };
    client.act(asked).await.unwrap().tx
}

/// What every trustee answers when it is asked itself.
pub(crate) async fn ask_each(
    network: &Network,
    client: &Client,
    access: TxId,
    key: &SessionKey,
    wanted: &[CompartmentId],
) -> Vec<Result<Released, CallError>> {
    let caller = client.actor().key().unwrap();
    let release = Release {
        access,
        session_key: key.public().as_bytes().to_vec(),
        compartments: wanted.to_vec().try_into().unwrap(),
    };
    let asked = (0..network.nodes.len()).map(|place| {
        let (node, release) = (network.caller(place, caller.clone()), &release);
        async move { node.call::<ReleaseShares>(release).await }
    });
    join_all(asked).await
}

/// All trustees withhold all of it, for this reason.
async fn assert_withheld(
    network: &Network,
    client: &Client,
    (access, key): (TxId, &SessionKey),
    wanted: &[CompartmentId],
    why: Withheld,
) {
    for (place, answer) in ask_each(network, client, access, key, wanted).await.into_iter().enumerate() {
        let Released { release, withheld } = answer.unwrap();
        assert!(release.is_none(), "trustee {place} released something; expected {why:?}");
        assert_eq!(withheld.len(), wanted.len(), "{place}");
        assert!(withheld.iter().all(|(_, code)| *code == why.code()), "{place}: {withheld:?}, not {why:?}");
    }
}

/// What the compartments commit to, from the packs.
pub(crate) async fn bodies(client: &Client, chart: ChartId) -> Vec<CompartmentBody> {
    let contents = client::Contents::of(&client.log(chart, 0).await.unwrap());
    let mut bodies = Vec::new();
    for pack in &contents.packs {
        let fetch = Fetch { pack: pack.root, local: false, head: false };
        let parts = client.node().call::<FetchPack>(&fetch).await.unwrap();
        let pack = Pack::read(pack.root, &parts.ciphertexts, &parts.randoms).unwrap();
        bodies.extend(pack.manifest().compartments().iter().map(|sealed| sealed.compartment.body.clone()));
    }
    bodies
}

pub(crate) fn to_lakeside(chart: ChartId) -> GrantTerms {
    GrantTerms {
        chart,
        effect: Effect::Permit,
        grantee: "lakeside-clinic".parse().unwrap(),
        action: Action::Read,
        purposes: vec![Purpose::Treatment],
        what: What::All,
        from: None,
        until: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_trustees_give_nothing_that_is_not_due() {
    let network = Network::running(Params::default()).await;
    let (chart, profile) = network.import_patient(PATIENT).await;
    let (adams, baker) = (network.client(ADAMS).await, network.client(BAKER).await);
    let wanted = compartments(&adams, chart).await;
    assert!(!wanted.is_empty());

    // Denied: final, recorded, and good for nothing.
    let key = session();
    let denied = request(&baker, chart, Purpose::Treatment, &key).await;
    assert_withheld(&network, &baker, (denied, &key), &wanted, Withheld::AccessUnknown).await;
    // Nobody asked for.
    let unknown = TxId(Hash([7; 32]));
    assert_withheld(&network, &baker, (unknown, &key), &wanted, Withheld::AccessUnknown).await;

    // Permitted, but to another key: neither the thief's own, nor with the access's own caller.
    let key = session();
    let permitted = request(&adams, chart, Purpose::Treatment, &key).await;
    for thief in [&baker, &adams] {
        let other = session();
        assert_withheld(&network, thief, (permitted, &other), &wanted, Withheld::OtherSessionKey).await;
    }
    // Another chart's compartments under this access.
    let (other_chart, _) = network.import_patient("yusuf-al-masri.json").await;
    let foreign = compartments(&adams, other_chart).await;
    assert_withheld(&network, &adams, (permitted, &key), &foreign, Withheld::OtherChart).await;
    // A session key that is none.
    let malformed = Release {
        access: permitted,
        session_key: vec![1; 5],
        compartments: wanted.clone().try_into().unwrap(),
    };
    let caller = adams.actor().key().unwrap().clone();
    assert!(network.caller(1, caller).call::<ReleaseShares>(&malformed).await.is_err());
    // A caller whom nobody knows.
    let stranger = primitives::SecretKey::from_seed(&[9; 32]);
    let release = Release {
        access: permitted,
        session_key: key.public().as_bytes().to_vec(),
        compartments: wanted.clone().try_into().unwrap(),
    };
    assert!(network.caller(1, stranger).call::<ReleaseShares>(&release).await.is_err());

    // What is due: shares of one fewer than needed open nothing, those of one more do.
    let answers = ask_each(&network, &adams, permitted, &key, &wanted).await;
    let releases: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().release.unwrap()).collect();
    let needed = network.nodes.len() - (network.nodes.len() - 1) / 3;
    let bodies = bodies(&adams, chart).await;
    let bodies = || bodies.iter().filter(|body| wanted.contains(&body.id())).cloned().map(Wanted::new);
    let mut gathering = Gathering::new(network.genesis.network(), permitted, 0, &key, bodies());
    for (index, release) in (1..).zip(&releases) {
        let missing = gathering.missing().len();
        let opens = wanted.iter().filter(|id| gathering.open_key(id).is_ok()).count();
        if usize::from(index) <= needed {
            assert_eq!((missing, opens), (wanted.len(), 0), "{} releases", index - 1);
        } else {
            assert_eq!((missing, opens), (0, wanted.len()), "{} releases", index - 1);
        }
        let gathered = gathering.accept(&mut rand::rng(), index, release).unwrap();
        assert!(gathered.false_shares.is_empty());
    }
    // One trustee's release under another's name, or twice, is no second one.
    let mut gathering = Gathering::new(network.genesis.network(), permitted, 0, &key, bodies());
    for _ in 0..needed {
        gathering.accept(&mut rand::rng(), 1, &releases[0]).unwrap();
        assert!(gathering.accept(&mut rand::rng(), 2, &releases[0]).is_err());
    }
    assert_eq!(gathering.missing().len(), wanted.len());

    // Permitted by a directive, then revoked: what wasn't released before isn't any more.
    let patient = network.client(&profile).await;
    patient.direct(&to_lakeside(chart)).await.unwrap();
    let key = session();
    let granted = request(&baker, chart, Purpose::Treatment, &key).await;
    for answer in ask_each(&network, &baker, granted, &key, &wanted).await {
        assert!(answer.unwrap().withheld.is_empty());
    }
    let revoked = patient.revoke_from(chart, &"lakeside-clinic".parse().unwrap()).await.unwrap();
    network.all_at(revoked.height).await;
    assert_withheld(&network, &baker, (granted, &key), &wanted, Withheld::Revoked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_an_expired_access_releases_nothing() {
    let network = Network::running(Params { access_life: Span::secs(10), ..Params::default() }).await;
    let (chart, _) = network.import_patient(PATIENT).await;
    let adams = network.client(ADAMS).await;
    let wanted = compartments(&adams, chart).await;
    let key = session();
    let access = request(&adams, chart, Purpose::Treatment, &key).await;
    let is_over = |answer: &Result<Released, CallError>| {
        let Ok(Released { release, withheld }) = answer else { return false };
        release.is_none() && withheld.iter().all(|(_, code)| *code == Withheld::Expired.code())
    };
    until("the expiry at all trustees", async || {
        ask_each(&network, &adams, access, &key, &wanted).await.iter().all(is_over).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_an_access_that_is_not_on_the_ledger_releases_nothing() {
    let network = Network::running(Params::default()).await;
    let (chart, _) = network.import_patient(PATIENT).await;
    let adams = network.client(ADAMS).await;
    let wanted = compartments(&adams, chart).await;

    // Signed and good for the ledger, but never handed in.
    let key = session();
    let asked = Request {
        chart,
        purpose: Purpose::Treatment,
        extent: Extent::All,
        session_key: key.hash(),
        record: Hash::default(),
    };
    let signer = adams.actor().key().unwrap();
    let signed = adams.sign(signer, &asked.clone().into()).unwrap();
    let unfinalised = signed.tx.id();
    assert_withheld(&network, &adams, (unfinalised, &key), &wanted, Withheld::AccessUnknown).await;

    // The same with a thief's session key in it: another transaction, which nobody signed.
    let thief = session();
    let (_, body) = Act::from(Request { session_key: thief.hash(), ..asked }).encode();
    let mut altered = signed.clone();
    altered.tx.body = body.try_into().unwrap();
    let stolen = altered.tx.id();
    assert_ne!(stolen, unfinalised);
    assert!(adams.submit(&altered).await.is_err());
    assert_withheld(&network, &adams, (stolen, &thief), &wanted, Withheld::AccessUnknown).await;

    // Once it is handed in it is good, for the key that it names.
    let done = adams.submit(&signed).await.unwrap();
    assert_eq!(done.tx, unfinalised);
    network.all_at(done.height).await;
    assert_withheld(&network, &adams, (unfinalised, &thief), &wanted, Withheld::OtherSessionKey).await;
    for answer in ask_each(&network, &adams, unfinalised, &key, &wanted).await {
        assert!(answer.unwrap().withheld.is_empty());
    }
    // Handing the altered one in under the finalised one's name is no way in, either.
    assert!(adams.submit(&altered).await.is_err());
    assert_withheld(&network, &adams, (stolen, &thief), &wanted, Withheld::AccessUnknown).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_trustee_that_is_cut_off_releases_nothing() {
    let mut network = Network::running(Params::default()).await;
    let (chart, _) = network.import_patient(PATIENT).await;
    let adams = network.client(ADAMS).await;
    let wanted = compartments(&adams, chart).await;
    let key = session();
    let access = request(&adams, chart, Purpose::Treatment, &key).await;
    let caller = adams.actor().key().unwrap().clone();
    let release = Release {
        access,
        session_key: key.public().as_bytes().to_vec(),
        compartments: wanted.clone().try_into().unwrap(),
    };
    let cut_off = network.caller(3, caller);
    let given = cut_off.call::<ReleaseShares>(&release).await.unwrap();
    assert!(given.release.is_some() && given.withheld.is_empty());

    // A quorum goes: what the rest knows can be overtaken without its hearing of it, a revocation above all.
    for place in [1, 2] {
        network.nodes[place].take().unwrap().stop().await;
    }
    let refusal =
        until("the refusal of a stale trustee", async || cut_off.call::<ReleaseShares>(&release).await.err())
            .await;
    assert_eq!(refusal.code(), Some(Code::Unavailable), "{refusal}");
    let height = network.status(3).await.unwrap().height;
    assert!(cut_off.call::<ReleaseShares>(&release).await.is_err(), "and so it remains");
    assert_eq!(network.status(3).await.unwrap().height, height, "nothing was finalised meanwhile");

    // It comes back into the network, and releases again: the access has not expired.
    for place in [1, 2] {
        network.start(place).await;
    }
    until("the release", async || cut_off.call::<ReleaseShares>(&release).await.ok()).await;
}
