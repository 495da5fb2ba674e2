//! This file is where the gateway listens: connections in bounded number and time, over TLS or not, until it is told to
//! stop.

use super::{
    bounds::{Bounds, Options},
    guard::around,
    peer::Peer,
    tls::{Renewable, TlsError},
};
use axum::{
    Router,
    body::Body,
    http::{Request, Response},
};
use client::Host;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long accepting pauses when the system has no more file handles.
const PAUSE: Duration = Duration::from_millis(50);

/// The server can't start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; is another server running, or is the port taken?")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It can't be told when its certificate was renewed.
    #[error("cannot listen for SIGHUP: {0}")]
    Signal(io::Error),
}

/// A server that runs. Dropping it stops it too, without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    certificate: Option<Arc<Renewable>>,
}

impl Server {
    /// Where it listens: the port is known now even if it was 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads certificate and key again, as SIGHUP does.
    ///
    /// # Errors
    /// [`TlsError`]; the old certificate stays in use.
    pub fn reload_certificate(&self) -> Result<(), TlsError> {
        self.certificate.as_ref().map_or(Ok(()), |certificate| certificate.reload())
    }

    /// Takes no more connections, answers the requests under way within the bound, and ends.
    pub async fn stop(self) {
        let Self { address: _, stop, task, certificate: _ } = self;
        stop.send_replace(true);
        if let Err(error) = task.await {
            tracing::error!(%error, "the server ended with an error");
        }
    }
}

/// Serves `routes` as `options` say.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(routes: Router, options: Options, host: Arc<dyn Host>) -> Result<Server, ServeError> {
    let certificate = options.tls.clone().map(Renewable::read).transpose()?;
    let acceptor = match &certificate {
        None => None,
        Some(certificate) => Some(TlsAcceptor::from(certificate.config()?)),
    };
    let address = options.listen;
    let unheard = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(unheard)?;
    let address = listener.local_addr().map_err(unheard)?;
    let (stop, stopped) = watch::channel(false);
    if let Some(certificate) = &certificate {
        renew_on_signal(Arc::clone(certificate), stopped.clone())?;
    }
    let server =
        Arc::new(Inside { routes: around(routes, &options, host), acceptor, bounds: options.bounds });
    let task = tokio::spawn(accept(listener, server, stopped));
    Ok(Server { address, stop, task, certificate })
}

struct Inside {
    routes: Router,
    acceptor: Option<TlsAcceptor>,
    bounds: Bounds,
}

fn renew_on_signal(
    certificate: Arc<Renewable>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let mut signals = signal(SignalKind::hangup()).map_err(ServeError::Signal)?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                heard = signals.recv() => if heard.is_none() { return },
            }
            match certificate.reload() {
                Ok(()) => tracing::info!("certificate and key were read again"),
                Err(error) => tracing::error!(%error, "the old certificate stays in use"),
            }
        }
    });
    Ok(())
}

async fn accept(listener: TcpListener, server: Arc<Inside>, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(server.bounds.connections_max));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        // A place first: while there is none, callers wait in the system's queue, which is bounded too.
        let place = tokio::select! {
            // A closed channel is a stop too.
            _ = stopped.wait_for(|stop| *stop) => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        // Those that have ended are let go.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let (server, watcher) = (Arc::clone(&server), graceful.watcher());
                connections.spawn(async move {
                    let _place = place;
                    server.connection(stream, peer, watcher).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection can't be accepted");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = async {
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {}
    };
    if timeout(server.bounds.drain, drained).await.is_err() {
        tracing::warn!("requests under way took too long and were given up");
    }
    connections.shutdown().await;
}

impl Inside {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Answers are written in one piece; waiting for more would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended at once");
            return;
        }
        match &self.acceptor {
            None => self.speak(stream, peer, watcher).await,
            Some(acceptor) => match timeout(self.bounds.handshake, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => self.speak(stream, peer, watcher).await,
                Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
                Err(_) => tracing::debug!("a handshake took too long"),
            },
        }
    }

    async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        stream: S,
        peer: SocketAddr,
        watcher: Watcher,
    ) {
        let service = service_fn(move |mut request: Request<Incoming>| {
            let routes = self.routes.clone();
            request.extensions_mut().insert(Peer(peer));
            async move {
                let answered: Result<Response<Body>, Infallible> =
                    routes.oneshot(request.map(Body::new)).await;
                answered
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.head)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection broke");
        }
    }
}
