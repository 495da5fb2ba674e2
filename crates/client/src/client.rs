//! This file is where a user, a node and a network come together: what every command starts from.

use crate::{
    actor::{Actor, SessionError, open_session},
    host::Host,
    keys::{
        CachedSession, FileError, KeyFileError, Profile, ProfileError, ProfileKind, ProfileName,
        load_session, load_signing, save_session,
    },
    known::Known,
    rpc::{CallError, Http, Node, Transport},
    wire::{Code, Read, ReadRows},
    write::Lanes,
};
use ledger::governance::{Genesis, GenesisError};
use primitives::{List, Millis, NetworkId, OrgId};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

/// Longest genesis file.
const GENESIS_BYTES_MAX: u64 = 8 << 20;

/// A user at a node. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(crate) node: Node,
    pub(crate) actor: Actor,
    pub(crate) org: OrgId,
    pub(crate) display: String,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) network: NetworkId,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) seat: Option<Arc<Seat>>,
    pub(crate) compartments: Known,
    pub(crate) lanes: Lanes,
}

/// Where a profile lies: profiles made on its behalf are put beside it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The directory that holds `profiles/`.
    pub home: PathBuf,
    /// The profile's name.
    pub name: ProfileName,
    /// The profile.
    pub profile: Profile,
}

/// Why a profile can't be used to talk to its node.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The genesis file.
    #[error(transparent)]
    Genesis(#[from] GenesisFileError),
    /// The node.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The node's organisation doesn't certify a session.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The session can't be kept.
    #[error("the session can't be kept for the next command: {0}")]
    Keep(#[source] FileError),
}

/// Why a genesis file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum GenesisFileError {
    /// The file itself.
    #[error("genesis file `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Not a genesis file.
    #[error("`{}` is no genesis file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It can't begin a network.
    #[error("`{}` can't begin a network: {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: GenesisError,
    },
}

/// Reads and checks a genesis file: JSON.
///
/// # Errors
/// [`GenesisFileError`].
pub fn read_genesis(path: &Path) -> Result<Genesis, GenesisFileError> {
    let io_error = |source| GenesisFileError::Io { path: path.to_owned(), source };
    let malformed = |reason: String| GenesisFileError::Malformed { path: path.to_owned(), reason };
    if fs::metadata(path).map_err(io_error)?.len() > GENESIS_BYTES_MAX {
        return Err(malformed(format!("longer than {GENESIS_BYTES_MAX} bytes")));
    }
    let bytes = fs::read(path).map_err(io_error)?;
    let genesis: Genesis = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    genesis.check().map_err(|source| GenesisFileError::Invalid { path: path.to_owned(), source })?;
    Ok(genesis)
}

/// Whether the ledger still knows the session: the organisation may have ended it before its time.
async fn holds(node: &Node, session: &CachedSession) -> Result<bool, CallError> {
    let nothing = Read { keys: List::default(), min_height: 0 };
    match node.with_key(session.key.clone()).call::<ReadRows>(&nothing).await {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some(Code::Forbidden) => Ok(false),
        Err(error) => Err(error),
    }
}

impl Client {
    /// A user at a node, from parts.
    #[must_use]
    pub fn new(
        node: Node,
        actor: Actor,
        org: OrgId,
        display: String,
        genesis: Arc<Genesis>,
        host: Arc<dyn Host>,
    ) -> Self {
        let network = genesis.network();
        Self {
            node,
            actor,
            org,
            display,
            genesis,
            network,
            host,
            seat: None,
            compartments: Known::default(),
            lanes: Lanes::default(),
        }
    }

    /// The same process acting for somebody else of the same organisation, as a gateway does: `display` is who it is in
    /// plain words. Writes into one chart still follow one another.
    #[must_use]
    pub fn acting(&self, actor: Actor, display: String) -> Self {
        Self { actor, display, seat: None, ..self.clone() }
    }

    /// The same user, whose writes follow those of another client of this process into the same chart.
    #[must_use]
    pub fn beside(self, other: &Self) -> Self {
        Self { lanes: other.lanes.clone(), ..self }
    }

    /// Takes up a profile: reads genesis and key, and for a practitioner takes the kept session or opens another.
    /// `passphrase` is asked only if the key file is encrypted.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(
        home: &Path,
        name: &ProfileName,
        passphrase: impl FnOnce(&Path) -> Option<Zeroizing<String>>,
        host: Arc<dyn Host>,
    ) -> Result<Self, ConnectError> {
        let profile = Profile::load(home, name)?;
        let transport: Arc<dyn Transport> = Arc::new(Http::new(&profile.node)?);
        let genesis = Arc::new(read_genesis(&home.join(&profile.genesis))?);
        let key = load_signing(&home.join(&profile.key), passphrase)?;
        let network = genesis.network();
        let node = Node::new(transport, network, profile.server.clone(), key.clone(), Arc::clone(&host));
        let actor = match profile.kind {
            ProfileKind::Patient => Actor::Person(Arc::new(key)),
            ProfileKind::Staff => Actor::Staff,
            ProfileKind::Practitioner => {
                let kept = load_session(home, name, network, host.now());
                Actor::Practitioner(Arc::new(match kept {
                    Some(session) if holds(&node, &session).await? => session,
                    Some(_) | None => {
                        let session: CachedSession = open_session(&node, &key, &*host).await?;
                        save_session(home, name, &session).map_err(ConnectError::Keep)?;
                        session
                    }
                }))
            }
        };
        let seat = Seat { home: home.to_owned(), name: name.clone(), profile: profile.clone() };
        Ok(Self::new(node, actor, profile.org, profile.display, genesis, host).seated(seat))
    }

    /// The same user, with the place where profiles made on her behalf are put.
    #[must_use]
    pub fn seated(self, seat: Seat) -> Self {
        Self { seat: Some(Arc::new(seat)), ..self }
    }

    /// Where the profile lies, if the client was made from one.
    #[must_use]
    pub fn seat(&self) -> Option<&Seat> {
        self.seat.as_deref()
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Who signs.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The user's organisation.
    #[must_use]
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The network's beginning.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// The machine.
    #[must_use]
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    pub(crate) fn now(&self) -> Millis {
        self.host.now()
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({:?}, {:?})", self.actor, self.node)
    }
}
