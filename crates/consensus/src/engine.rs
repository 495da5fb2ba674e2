//! This file is where the engine is put together, whatever clock, disk and network it runs on.

use crate::{
    Config, Fault, StartError,
    block::{Block, BlockBounds, Digest, Scheme, engine_key},
    certificate::{namespace, participants},
    execute::{Archive, Executor, Inbox},
    gossip,
    head::Watch,
    marker::Marker,
    propose::{Proposer, duration},
    shared::Shared,
};
use bytes::Bytes;
use commonware_broadcast::buffered;
use commonware_codec::{Copying, DecodeExt as _};
use commonware_consensus::{
    marshal::{
        self, Identifier,
        core::Actor,
        standard::{Deferred, Standard},
    },
    simplex::{self, elector::RoundRobin},
    types::{Epoch, FixedEpocher, ViewDelta},
};
use commonware_cryptography::{
    Digested, Digestible as _,
    certificate::{ConstantProvider, Verifier as _},
    ed25519,
    sha256::Sha256,
};
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::{
    Clock, Handle, Metrics, Spawner, Storage, Supervisor,
    buffer::paged::{CacheRef, page_size},
};
use commonware_storage::archive::immutable;
use commonware_utils::{NZU64, NZUsize, NonZeroDuration};
use primitives::Span;
use rand_core::CryptoRng;
use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::mpsc;

/// Messages that wait for one of the engine's tasks.
const MAILBOX: NonZeroUsize = NZUsize!(1024);
/// Pages of the engine's files.
const PAGE: u32 = 4096;

/// One channel of the network.
pub(crate) type Channel<S, R> = (S, R);

/// The network as one validator sees it.
pub(crate) struct Network<S, R, P> {
    pub votes: Channel<S, R>,
    pub certificates: Channel<S, R>,
    pub resolver: Channel<S, R>,
    pub blocks: Channel<S, R>,
    pub backfill: Channel<S, R>,
    pub gossip: Channel<S, R>,
    pub peers: P,
}

/// What runs once a validator is up.
pub(crate) struct Running {
    pub archive: Archive,
    pub executor: Handle<()>,
    pub engine: Handle<()>,
}

/// How many messages of a channel a validator may send each second.
pub(crate) const MESSAGES_PER_SECOND: u32 = 512;

pub(crate) fn bounds(config: &Config) -> BlockBounds {
    BlockBounds { body_bytes_max: config.limits.block_bytes_max }
}

/// The longest message of any channel. All validators must agree on it.
pub(crate) fn message_bytes_max(config: &Config) -> u32 {
    let validators = config.committee.len() as u32;
    commonware_p2p::max_message_size(&[
        simplex::max_payload_size::<Scheme, Digest>(validators),
        marshal::max_payload_size::<Standard<Block>, Scheme>(validators, &bounds(config)),
        gossip::message_bytes_max(config.limits.tx_bytes_max),
    ])
}

fn nonzero(span: Span) -> Result<NonZeroDuration, StartError> {
    NonZeroDuration::new(duration(span))
        .ok_or_else(|| StartError::Settings("waiting times must be above 0".into()))
}

async fn archive<E, V>(
    rt: E,
    name: &str,
    cache: CacheRef,
    codec_config: V::Cfg,
) -> Result<immutable::Archive<E, Digest, V>, StartError>
where
    E: Storage + Clock + Metrics,
    V: commonware_codec::CodecShared,
{
    let config = immutable::Config {
        metadata_partition: format!("{name}-metadata"),
        freezer_table_partition: format!("{name}-table"),
        freezer_table_initial_size: 1 << 14,
        freezer_table_resize_frequency: 4,
        freezer_table_resize_chunk_size: 1 << 14,
        freezer_key_partition: format!("{name}-key"),
        freezer_key_page_cache: cache,
        freezer_key_write_buffer: NZUsize!(1 << 18),
        freezer_value_partition: format!("{name}-value"),
        freezer_value_write_buffer: NZUsize!(1 << 20),
        freezer_value_target_size: 1 << 28,
        freezer_value_compression: None,
        ordinal_partition: format!("{name}-ordinal"),
        ordinal_write_buffer: NZUsize!(1 << 16),
        items_per_section: NZU64!(1 << 16),
        codec_config,
        replay_buffer: NZUsize!(1 << 20),
    };
    let opened = immutable::Archive::init(rt, config).await;
    opened.map_err(|error| StartError::Fault(Fault(format!("the {name} archive can't be opened: {error}"))))
}

/// Starts one validator's engine on `rt` and `network`. `prefix` keeps apart validators that share a disk.
pub(crate) async fn run<E, S, R, P>(
    rt: &E,
    config: &Config,
    prefix: &str,
    shared: Arc<Shared>,
    outbox: mpsc::UnboundedReceiver<Bytes>,
    network: Network<S, R, P>,
    marker: Option<Marker>,
) -> Result<Running, StartError>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics + Supervisor,
    S: Sender<PublicKey = ed25519::PublicKey>,
    R: Receiver<PublicKey = ed25519::PublicKey>,
    P: Provider<PublicKey = ed25519::PublicKey> + Blocker<PublicKey = ed25519::PublicKey> + Sync,
{
    let secret = engine_secret(config)?;
    let me = engine_key(&config.secret.public()).ok_or(StartError::NotAMember(config.secret.public()))?;
    let committee = participants(&config.keys()).map_err(|error| StartError::Settings(error.to_string()))?;
    let scheme = Scheme::signer(&namespace(config.network), committee, secret)
        .ok_or(StartError::NotAMember(config.secret.public()))?;
    let bounds = bounds(config);
    let pages = (config.cache_bytes / PAGE as usize).max(64);
    let cache = CacheRef::new(page_size(PAGE), NonZeroUsize::new(pages).unwrap_or(MAILBOX));
    let fetch = nonzero(config.timeouts.fetch)?;
    let retry = duration(Span(100));

    let certificates = archive(
        rt.child("certificates"),
        &format!("{prefix}certificates"),
        cache.clone(),
        Scheme::certificate_codec_config_unbounded(),
    )
    .await?;
    let blocks = archive(rt.child("blocks"), &format!("{prefix}blocks"), cache.clone(), bounds).await?;

    // The committee is fixed at genesis, so there is one epoch without an end.
    let epocher = FixedEpocher::new(NonZeroU64::MAX);
    let genesis = Block::new(config.genesis(), Vec::new())
        .ok_or_else(|| StartError::Settings("the genesis block has no leader".into()))?;
    let genesis_digest = genesis.digest();
    let (buffer, buffered) = buffered::Engine::new(
        rt.child("buffer"),
        buffered::Config {
            public_key: me.clone(),
            mailbox_size: MAILBOX,
            deque_size: 16,
            priority: true,
            codec_config: bounds,
            peer_provider: network.peers.clone(),
            strategy: Sequential,
        },
    );
    let backfill = marshal::resolver::p2p::init(
        rt.child("backfill"),
        marshal::resolver::p2p::Config {
            public_key: me,
            peer_provider: network.peers.clone(),
            blocker: network.peers.clone(),
            mailbox_size: MAILBOX,
            fetch_timeout: fetch,
            fetch_retry_delay: retry,
            priority_requests: false,
            priority_responses: false,
        },
        network.backfill,
    );
    let (marshal, archive, _) = Actor::<_, Standard<Block>, _, _, _, _, _>::init(
        rt.child("marshal"),
        certificates,
        blocks,
        marshal::Config {
            provider: ConstantProvider::<_, Epoch>::new(scheme.clone()),
            epocher: epocher.clone(),
            start: marshal::Start::Genesis(Digested::precomputed(genesis, genesis_digest)),
            partition_prefix: format!("{prefix}marshal"),
            mailbox_size: MAILBOX,
            view_retention: ViewDelta::new(1024),
            prunable_items_per_section: NZU64!(4096),
            page_cache: cache.clone(),
            replay_buffer: NZUsize!(1 << 20),
            key_write_buffer: NZUsize!(1 << 16),
            value_write_buffer: NZUsize!(1 << 20),
            block_codec_config: bounds,
            max_repair: NZUsize!(32),
            max_pending_acks: NZUsize!(32),
            strategy: Sequential,
        },
    )
    .await;
    let (limits, timeouts) = (config.limits, config.timeouts);
    let proposer = Proposer { shared: shared.clone(), limits, timeouts };
    let automaton = Deferred::new(rt.child("deferred"), proposer, archive.clone(), epocher);

    let (sender, inbox) = mpsc::unbounded_channel();
    buffer.start(network.blocks);
    marshal.start(Inbox { shared: shared.clone(), sender }, buffered, backfill);
    if let Some(marker) = &marker {
        let newest = archive.get_info(Identifier::Latest).await.map_or(0, |(height, _)| height.get());
        marker.check(newest)?;
    }
    let executor = Executor { shared: shared.clone(), archive: archive.clone(), inbox, marker };
    let executor = rt.child("executor").dedicated().spawn(move |_| executor.run());

    let engine = simplex::Engine::new(
        rt.child("engine"),
        simplex::Config {
            epoch: Epoch::zero(),
            scheme,
            elector: RoundRobin::<Sha256>::default(),
            blocker: network.peers,
            automaton: automaton.clone(),
            relay: automaton.clone(),
            reporter: automaton,
            track_historical_votes: false,
            strategy: Sequential,
            partition: format!("{prefix}votes"),
            mailbox_size: MAILBOX,
            floor: simplex::Floor::Genesis(genesis_digest),
            replay_buffer: NZUsize!(1 << 20),
            write_buffer: NZUsize!(1 << 18),
            page_cache: cache,
            leader_timeout: duration(timeouts.leader),
            certification_timeout: duration(timeouts.certification),
            timeout_retry: duration(timeouts.retry),
            view_retention: ViewDelta::new(256),
            skip: simplex::SkipPolicy::Enabled {
                timeout: duration(timeouts.skip),
                budget: simplex::SkipBudget::Participants,
            },
            fetch_timeout: fetch,
            fetch_retry_delay: retry,
            forward: simplex::ForwardPolicy::Disabled,
        },
    );
    let engine = engine.start(network.votes, network.certificates, network.resolver);

    let (gossip_sender, gossip_receiver) = network.gossip;
    let (clock, regossip) = (rt.child("clock"), timeouts.regossip);
    let sending = shared.clone();
    let task = rt.child("gossip_out");
    task.spawn(move |_| gossip::send(clock, sending, outbox, gossip_sender, regossip));
    let workers = config.threads.max(1);
    let task = rt.child("gossip_in");
    let evidence = evidence_of(config);
    let watch = Watch { network: config.network, committee: config.keys(), evidence };
    let known = archive.clone();
    task.spawn(move |rt| gossip::receive(rt, shared, known, watch, gossip_receiver, workers));
    Ok(Running { archive, executor, engine })
}

/// Where evidence of a fork would be kept: beside the marker, if there is one.
fn evidence_of(config: &Config) -> Option<PathBuf> {
    let mut name = config.marker.file_name()?.to_owned();
    name.push(".fork");
    Some(config.marker.with_file_name(name))
}

/// This validator's key in the engine's form.
pub(crate) fn engine_secret(config: &Config) -> Result<ed25519::PrivateKey, StartError> {
    let seed = config.secret.to_seed();
    ed25519::PrivateKey::decode(Copying(&*seed)).map_err(|error| StartError::Settings(error.to_string()))
}
