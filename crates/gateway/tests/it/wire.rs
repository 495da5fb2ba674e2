//! This file is where a gateway's calls to its node pass by and are counted, and where the way can be cut.

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
    routing::post,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// What a gateway asks for all the time, whoever comes.
const LISTENING: &str = "follow";

/// The way from a gateway to its node.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    inside: Arc<Inside>,
    task: JoinHandle<()>,
}

struct Inside {
    node: SocketAddr,
    http: reqwest::Client,
    calls: Mutex<BTreeMap<String, u64>>,
    heard: AtomicU64,
    open: watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn to(node: SocketAddr) -> Self {
        let inside = Arc::new(Inside {
            node,
            http: reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap(),
            calls: Mutex::default(),
            heard: AtomicU64::new(0),
            open: watch::Sender::new(true),
        });
        let routes = Router::new()
            .route("/v1/{method}", post(carry))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&inside));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, inside, task }
    }

    /// Calls since this was last asked, by method, but for listening.
    pub(crate) fn calls(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.inside.calls.lock().unwrap())
    }

    /// How often listening was answered so far: not how often it was broken off.
    pub(crate) fn heard(&self) -> u64 {
        self.inside.heard.load(Ordering::SeqCst)
    }

    /// From now on nothing comes through until [`Self::mend`].
    pub(crate) fn cut(&self) {
        self.inside.open.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.inside.open.send_replace(true);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    State(inside): State<Arc<Inside>>,
    Path(method): Path<String>,
    call: Bytes,
) -> (StatusCode, Bytes) {
    if method != LISTENING {
        *inside.calls.lock().unwrap().entry(method.clone()).or_default() += 1;
    }
    // Who hung up meanwhile waits no longer: hyper drops this.
    let opened = inside.open.subscribe().wait_for(|open| *open).await.is_ok();
    assert!(opened, "the way is kept as long as anybody is on it");
    match inside.http.post(format!("http://{}/v1/{method}", inside.node)).body(call).send().await {
        Ok(answer) => {
            let answer = (answer.status(), answer.bytes().await.unwrap_or_default());
            if method == LISTENING {
                inside.heard.fetch_add(1, Ordering::SeqCst);
            }
            answer
        }
        Err(_) => (StatusCode::BAD_GATEWAY, Bytes::new()),
    }
}
