//! This file is where the desk stands: what it reaches, and the one door by which calls come in over HTTP.

use super::door::Door;
use crate::{
    executor::Executor, holder::Holder, member::Me, member::wall_clock, metrics::Metrics, peers::Peers,
    rotation::Rotation, trustee::Trustee, vault::Vault, writes::Writes,
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use client::wire::{self, Answer, CALL_BYTES_MAX, Code, Method, Refusal, SignedCall};
use primitives::{Span, TxId, decode_bounded, encode};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};
use store::Packs;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};

/// All that answering calls takes.
pub struct Desk {
    pub(crate) me: Arc<Me>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) engine: Arc<consensus::Handle>,
    pub(crate) trustee: Arc<Trustee>,
    pub(crate) rotation: Rotation,
    pub(crate) holder: Arc<Holder>,
    pub(crate) writes: Arc<Writes>,
    pub(crate) peers: Peers,
    pub(crate) vault: Arc<Vault>,
    pub(crate) audit: Packs,
    pub(crate) door: Door,
    pub(crate) metrics: Metrics,
    /// Above this age of the newest final block nothing is released.
    pub(crate) staleness_max: Span,
    pub(crate) unconfirmed: Mutex<BTreeSet<TxId>>,
    /// Held while a note is changed.
    pub(crate) notes: Mutex<()>,
    /// How many may still wait for charts to go on.
    pub(crate) followers: Semaphore,
    /// Says when the node stops: nobody is to wait any longer.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Why the desk can't open.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; is another node running, or is the port taken?")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// How long calls under way may take once the desk closes.
const CLOSE_WITHIN: std::time::Duration = std::time::Duration::from_secs(3);

/// A desk that is open.
pub(crate) struct Served {
    /// Where it listens: the port is known now even if it was 0.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Served {
    /// Waits until the desk has closed, after it was told to stop.
    pub(crate) async fn closed(self) {
        let Self { address: _, mut task } = self;
        // The task ends by itself once the calls under way are answered; but some wait for finality, which won't come.
        if tokio::time::timeout(CLOSE_WITHIN, &mut task).await.is_err() {
            task.abort();
        }
    }
}

impl Desk {
    /// Remembers an erasure that was done here but couldn't be confirmed yet.
    pub(crate) fn confirm_later(&self, erasure: TxId) {
        self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner).insert(erasure);
    }

    /// Takes the erasures that are still to be confirmed.
    pub(crate) fn take_unconfirmed(&self) -> BTreeSet<TxId> {
        std::mem::take(&mut *self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Authenticates a call and answers it.
    pub async fn answer(self: &Arc<Self>, method: &str, bytes: &[u8]) -> Answer {
        let signed: SignedCall = decode_bounded(bytes, CALL_BYTES_MAX)
            .map_err(|_| Refusal::new(Code::Malformed, "the call is malformed or too long"))?;
        if signed.call.method != method {
            return Err(Refusal::new(Code::Unauthenticated, "the call was signed for another method"));
        }
        let view = self.executor.view();
        let time = self.executor.tip().borrow().time;
        let caller = self.door.admit(&*view, time, wall_clock(), &signed)?;
        drop(view);
        let body = &signed.call.body;
        match method {
            wire::SubmitTx::NAME => {
                reply::<wire::SubmitTx>(self.submit(wire::request::<wire::SubmitTx>(body)?).await)
            }
            wire::FindTx::NAME => reply::<wire::FindTx>(self.find_tx(&wire::request::<wire::FindTx>(body)?)),
            wire::GetStatus::NAME => reply::<wire::GetStatus>(Ok(self.status())),
            wire::ReadRows::NAME => {
                caller.known()?;
                reply::<wire::ReadRows>(self.rows(&wire::request::<wire::ReadRows>(body)?))
            }
            wire::ScanRows::NAME => {
                caller.known()?;
                reply::<wire::ScanRows>(self.scan(&wire::request::<wire::ScanRows>(body)?))
            }
            wire::ProveRows::NAME => {
                caller.known()?;
                reply::<wire::ProveRows>(self.prove(&wire::request::<wire::ProveRows>(body)?).await)
            }
            wire::ReadLog::NAME => {
                caller.known()?;
                reply::<wire::ReadLog>(self.log(&wire::request::<wire::ReadLog>(body)?))
            }
            wire::Follow::NAME => {
                reply::<wire::Follow>(self.follow(&caller, wire::request::<wire::Follow>(body)?).await)
            }
            wire::StageWrite::NAME => {
                reply::<wire::StageWrite>(self.stage(&caller, wire::request::<wire::StageWrite>(body)?).await)
            }
            wire::HoldWrite::NAME => {
                reply::<wire::HoldWrite>(self.hold(&caller, wire::request::<wire::HoldWrite>(body)?).await)
            }
            wire::FetchPack::NAME => {
                reply::<wire::FetchPack>(self.fetch(&caller, wire::request::<wire::FetchPack>(body)?).await)
            }
            wire::StoreAudit::NAME => reply::<wire::StoreAudit>(
                self.store_audit(&caller, wire::request::<wire::StoreAudit>(body)?).await,
            ),
            wire::FetchAudit::NAME => reply::<wire::FetchAudit>(
                self.fetch_audit(&caller, &wire::request::<wire::FetchAudit>(body)?).await,
            ),
            wire::ReleaseShares::NAME => reply::<wire::ReleaseShares>(
                self.release(&caller, &wire::request::<wire::ReleaseShares>(body)?).await,
            ),
            wire::GatherShares::NAME => reply::<wire::GatherShares>(
                self.gather(&caller, wire::request::<wire::GatherShares>(body)?).await,
            ),
            wire::GatherMore::NAME => reply::<wire::GatherMore>(
                self.gather_more(&caller, wire::request::<wire::GatherMore>(body)?).await,
            ),
            wire::OpenSession::NAME => reply::<wire::OpenSession>(
                self.open_session(&caller, wire::request::<wire::OpenSession>(body)?).await,
            ),
            wire::OrderAct::NAME => {
                reply::<wire::OrderAct>(self.order(&caller, wire::request::<wire::OrderAct>(body)?).await)
            }
            wire::RotateBoxKey::NAME => {
                wire::request::<wire::RotateBoxKey>(body)?;
                reply::<wire::RotateBoxKey>(self.order_box_key(&caller).await)
            }
            wire::GetNote::NAME => {
                reply::<wire::GetNote>(self.get_note(&caller, &wire::request::<wire::GetNote>(body)?))
            }
            wire::PutNote::NAME => {
                reply::<wire::PutNote>(self.put_note(&caller, &wire::request::<wire::PutNote>(body)?))
            }
            wire::MakeClaimCode::NAME => reply::<wire::MakeClaimCode>(
                self.make_claim_code(&caller, wire::request::<wire::MakeClaimCode>(body)?),
            ),
            wire::UseClaimCode::NAME => reply::<wire::UseClaimCode>(
                self.use_claim_code(caller.key, &wire::request::<wire::UseClaimCode>(body)?).await,
            ),
            _ => Err(Refusal::new(Code::NotFound, format!("there is no method `{method}`"))),
        }
    }
}

fn reply<M: Method>(response: Result<M::Response, Refusal>) -> Answer {
    response.map(|response| encode(&response))
}

/// Opens the desk at `address` until `stop` says so.
///
/// # Errors
/// [`ServeError`].
pub(crate) async fn serve(
    desk: Arc<Desk>,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
) -> Result<Served, ServeError> {
    let listener =
        TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
    let address = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
    let app = Router::new()
        .route("/v1/{method}", post(call))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(CALL_BYTES_MAX))
        .with_state(desk);
    let task = tokio::spawn(async move {
        let stopped = async move {
            // A closed channel is a stop too.
            let _closed = stop.wait_for(|stop| *stop).await;
        };
        if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the desk closed with an error");
        }
    });
    Ok(Served { address, task })
}

async fn call(State(desk): State<Arc<Desk>>, Path(method): Path<String>, body: Bytes) -> impl IntoResponse {
    // In a task of its own: a caller who hangs up must not stop half-way what it has begun.
    let answer = tokio::spawn(async move {
        let answer = desk.answer(&method, &body).await;
        desk.metrics.count_call(&method, answer.is_ok());
        answer
    });
    let answer = answer.await.unwrap_or_else(|_| Err(Refusal::new(Code::Fault, "the node met a fault")));
    encode(&answer)
}

/// 200 while the newest final block is fresh, 503 otherwise.
async fn health(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    match desk.fresh() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(refusal) => (StatusCode::SERVICE_UNAVAILABLE, format!("{refusal}\n")),
    }
}

async fn metrics(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    let status = desk.status();
    (
        [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")],
        desk.metrics.render(&status, desk.executor.counts()),
    )
}
