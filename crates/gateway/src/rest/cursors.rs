//! This file is where the places at which pages end are sealed: they name rows, whose numbers would tell how much is there that
//! the caller may not see.

use super::refusals::invalid;
use crate::{http::Refusal, visit::Asking};
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use client::Host;
use zeroize::Zeroizing;

/// Bytes of a nonce before what is sealed.
const NONCE_BYTES: usize = 12;

/// Seals cursors under a key of this process: a page that is asked for after a restart is begun anew.
pub(crate) struct Cursors(Zeroizing<[u8; 32]>);

impl Cursors {
    pub(crate) fn new(host: &dyn Host) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        host.fill(key.as_mut_slice());
        Self(key)
    }

    /// A cursor as its user may have it.
    pub(crate) fn seal(&self, asking: &Asking, cursor: &str) -> Result<String, Refusal> {
        let key = self.key()?;
        let mut sealed = cursor.as_bytes().to_vec();
        let nonce = key.seal_in_place_append_tag(of(asking), &mut sealed).map_err(|_| Refusal::fault())?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce.as_ref()[..], &sealed].concat()))
    }

    /// The cursor that was sealed for this user.
    ///
    /// # Errors
    /// 400 for any other text.
    pub(crate) fn open(&self, asking: &Asking, text: &str) -> Result<String, Refusal> {
        let refused = || {
            invalid(
                "this is no cursor of this gateway, or one from before it last started; begin with the first page",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or_else(refused)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
        let mut sealed = sealed.to_vec();
        let opened = self.key()?.open_in_place(nonce, of(asking), &mut sealed).map_err(|_| refused())?;
        String::from_utf8(opened.to_vec()).map_err(|_| refused())
    }

    fn key(&self) -> Result<RandomizedNonceKey, Refusal> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.0[..]).map_err(|_| Refusal::fault())
    }
}

/// A cursor is its user's alone.
fn of(asking: &Asking) -> Aad<&[u8]> {
    Aad::from(asking.user.name().as_bytes())
}
