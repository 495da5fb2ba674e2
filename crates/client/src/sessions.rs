//! This file is where a gateway has sessions certified for the practitioners whom it lets in.

use crate::{client::Client, host, keys::CachedSession, submit::SubmitError};
use ledger::identity::Certify;
use primitives::{Millis, PrincipalId, SecretKey, Slug};
use zeroize::Zeroizing;

impl Client {
    /// Has the organisation certify a session for one of its practitioners, under a key that is made here: for a gateway,
    /// whose staff entry at the node lets it order `identity.certify`. Then see [`Client::acting`].
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn certify(
        &self,
        practitioner: PrincipalId,
        role: Slug,
        until: Millis,
    ) -> Result<CachedSession, SubmitError> {
        let seed = Zeroizing::new(host::random(&*self.host));
        let key = SecretKey::from_seed(&seed);
        self.order(Certify { practitioner, role: role.clone(), session: key.public(), until }).await?;
        Ok(CachedSession { network: self.network, key, practitioner, role, until })
    }
}
