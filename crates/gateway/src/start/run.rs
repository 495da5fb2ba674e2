//! This file is where a gateway is started from its configuration, and ended.

use super::{config::Config, error::StartError};
use crate::{
    http::{Bounds, CorsOrigin, Options, PublicUrl, Route, Server, TlsFiles, serve},
    rest::{self, Gateway, Parts},
    smart::{self, Authority, Clients, StoreKey},
    visit::{Users, Visits, Watch},
    working::{WorkingKey, WorkingSet},
};
use client::{Host, keys::load_storage};
use std::{fs, net::SocketAddr, path::Path, sync::Arc};
use tokio::{sync::watch, task::JoinHandle};
use zeroize::Zeroizing;

/// A gateway that runs.
pub struct Running {
    server: Server,
    stop: watch::Sender<bool>,
    listener: JoinHandle<()>,
    tender: JoinHandle<()>,
    clients: Clients,
    public: PublicUrl,
    set: WorkingSet,
    table: Vec<Route>,
}

impl Running {
    /// Starts a gateway.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: &Config,
        passphrase: Option<Zeroizing<String>>,
        host: Arc<dyn Host>,
    ) -> Result<Self, StartError> {
        let public: PublicUrl = config.public.parse()?;
        let cors = config.cors.iter().map(|origin| origin.parse()).collect::<Result<Vec<CorsOrigin>, _>>()?;
        let key = load_storage(&config.key, |_: &Path| passphrase.clone())?;
        fs::create_dir_all(&config.data)
            .map_err(|source| StartError::Data { path: config.data.clone(), source })?;
        let users = Users::new(&config.home, config.system.parse()?, passphrase, Arc::clone(&host));
        let system = users.system().await?;
        let own = system.client().org().clone();
        let clients = Clients::open(&config.data.join("clients.db"), Some(&StoreKey(key.clone())))?;
        let set = WorkingSet::open(&config.data.join("working.db"), &WorkingKey::new(key), &public.fhir())?;
        let authority =
            Authority::new(public.clone(), config.smart.clone(), clients.clone(), Arc::clone(&host))?;
        let heard = Arc::new(Watch::default());
        heard.begin(system.client()).await?;
        let visits = Visits::new(set.clone(), own.clone(), config.visits.clone(), Arc::clone(&heard));
        visits.resume()?;
        let tended = Arc::clone(&visits);
        let kept = set.clone();
        let gateway = Gateway::new(Parts {
            set,
            visits,
            users,
            authority: Arc::clone(&authority),
            own,
            public: public.clone(),
            cors: !cors.is_empty(),
            settings: config.fhir.clone(),
            host: Arc::clone(&host),
        });
        let routes = smart::routes(authority).and(rest::routes(gateway));
        let table = routes.table();
        let options = Options {
            listen: config.listen,
            public: public.clone(),
            tls: config
                .tls
                .as_ref()
                .map(|tls| TlsFiles { certificate: tls.certificate.clone(), key: tls.key.clone() }),
            cors,
            bounds: Bounds {
                per_address: (!config.behind_proxy).then_some(config.per_address),
                ..Bounds::default()
            },
        };
        let server = serve(routes.into_router(), options, Arc::clone(&host)).await?;
        let (stop, stopped) = watch::channel(false);
        let listener = tokio::spawn(heard.run(system.client().clone(), stopped.clone()));
        let tender = tokio::spawn(tended.tend(host, stopped));
        Ok(Self { server, stop, listener, tender, clients, public, set: kept, table })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How clients see it.
    #[must_use]
    pub fn public(&self) -> &PublicUrl {
        &self.public
    }

    /// The registered clients.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The working set.
    #[must_use]
    pub fn working_set(&self) -> &WorkingSet {
        &self.set
    }

    /// All routes that it serves.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.table
    }

    /// Answers what is under way and ends.
    pub async fn stop(self) {
        let Self { server, stop, listener, tender, clients: _, public: _, set: _, table: _ } = self;
        stop.send_replace(true);
        server.stop().await;
        if let Err(error) = listener.await {
            tracing::error!(%error, "listening to the ledger ended with an error");
        }
        if let Err(error) = tender.await {
            tracing::error!(%error, "tending the visits ended with an error");
        }
    }
}
