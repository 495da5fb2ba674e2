//! This folder is where clients prove who they are and get tokens: SMART Backend Services (SMART App Launch 2.2), with
//! purposes of use as UDAP and IHE IUA name them.

mod assertion;
mod authority;
mod bearer;
mod client;
mod clients;
mod db;
mod discovery;
mod disk;
mod encrypt;
mod endpoints;
mod fetch;
mod form;
mod jwks;
mod jws;
mod keyring;
mod oauth;
mod openapi;
mod opening;
mod paths;
mod reach;
mod replay;
mod scope;
mod scopes;
mod token;

pub use self::client::{Client, ClientError, ClientId, ClientIdError, Keys, Principal};
pub use authority::{Authority, AuthorityError, Settings};
pub use bearer::{Bearer, StepUp};
pub use clients::{AddError, BackupError, CLIENTS_MAX, Clients};
pub use db::StoreError;
pub use discovery::{configuration, security};
pub use disk::{OpenError, StoreKey};
pub use endpoints::{router, routes};
pub use fetch::{FetchError, RootsError};
pub use jwks::{Algorithm, KeySet, KeySetError};
pub use oauth::{OauthCode, OauthError};
pub use openapi::openapi;
pub use paths::{INTROSPECT, REVOKE, TOKEN};
pub use reach::{Reach, ReachError};
pub use scope::{Context, Filter, Interaction, Scope, ScopeError};
pub use scopes::{Allowed, SCOPES_BYTES_MAX, SCOPES_MAX, Scopes, ScopesError};
pub use token::Grant;
