//! This file is where it stands why a gateway doesn't start.

use crate::{
    http::{CorsOriginError, PublicUrlError, ServeError},
    smart::{AuthorityError, OpenError},
    visit::UserError,
    working::WorkingError,
};
use client::{
    keys::{KeyFileError, ProfileError},
    rpc::CallError,
};
use std::{io, path::PathBuf};

/// Why a gateway doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The name of the organisation's profile.
    #[error(transparent)]
    Name(#[from] ProfileError),
    /// The organisation's profile, its key or its node.
    #[error(transparent)]
    User(#[from] UserError),
    /// The organisation's node.
    #[error(transparent)]
    Node(#[from] CallError),
    /// The address.
    #[error(transparent)]
    Public(#[from] PublicUrlError),
    /// An origin.
    #[error(transparent)]
    Cors(#[from] CorsOriginError),
    /// The key of the working set.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The folder of its own files.
    #[error("the gateway's folder `{}` can't be made: {source}", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The working set.
    #[error(transparent)]
    Working(#[from] WorkingError),
    /// The store of clients and tokens.
    #[error(transparent)]
    Clients(#[from] OpenError),
    /// Authorisation.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The server.
    #[error(transparent)]
    Serve(#[from] ServeError),
}
