//! This file is where a compartment is opened by its writer: a random secret, the X-Wing pair that derives from it,
//! its sharing among the trustees, and the id that binds all of it.

use crate::{
    boxes::{OpenKey, SealKey},
    kdf,
    sharing::{self, Secret, Share, Threshold},
    suite::{Suite, UnknownSuite},
};
use borsh::{BorshDeserialize, BorshSerialize};
use primitives::{ChartId, CompartmentBody, CompartmentId, Hash, OrgId, Tag, domain};
use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;

/// What an access is decided for: the records of one category that one organisation wrote into one chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// The chart.
    pub chart: ChartId,
    /// The category, opaque.
    pub tag: Tag,
    /// The writing organisation.
    pub writer: OrgId,
}

/// A compartment as everybody may see it: with this alone, records are sealed into it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Compartment {
    /// What its id binds.
    pub body: CompartmentBody,
    /// Its public key; the body holds the hash.
    pub key: SealKey,
}

/// A compartment just opened, with the shares that are to be dealt and then forgotten.
#[derive(Debug)]
pub struct Opened {
    /// The compartment.
    pub compartment: Compartment,
    /// One share per trustee, in the order of the committee.
    pub shares: Vec<Share>,
}

/// The secret isn't the compartment's: what the writer dealt doesn't match the key that it published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyMismatch {
    /// The compartment is of a suite from the future.
    #[error(transparent)]
    Suite(#[from] UnknownSuite),
    /// Another public key derives from the secret.
    #[error("the shared secret doesn't lead to the compartment's public key")]
    Key,
}

impl Compartment {
    /// Opens a new compartment for `class`.
    ///
    /// The secret is forgotten on return: what remains is the public key and the shares.
    #[must_use]
    pub fn open(rng: &mut impl CryptoRng, class: &Class, threshold: Threshold) -> Opened {
        let Class { chart, tag, writer } = class;
        let secret = Secret::generate(rng);
        let sharing::Sharing { commitments, shares } = sharing::split(rng, &secret, threshold);
        let mut body = CompartmentBody {
            suite: Suite::V1.id(),
            chart: *chart,
            tag: *tag,
            writer: writer.clone(),
            key: Hash::default(),
            commitments,
        };
        let key = derive(&secret, &body).public().clone();
        body.key = key.hash(domain::COMPARTMENT_KEY);
        Opened { compartment: Self { body, key }, shares }
    }

    /// The compartment's id.
    #[must_use]
    pub fn id(&self) -> CompartmentId {
        self.body.id()
    }

    /// Whether the key is the one that the body names.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.key.hash(domain::COMPARTMENT_KEY) == self.body.key
    }
}

/// The pair that `secret` leads to. Its context keeps one secret from opening compartments of two classes.
fn derive(secret: &Secret, body: &CompartmentBody) -> OpenKey {
    let CompartmentBody { suite, chart, tag, writer, key: _, commitments: _ } = body;
    let seed = kdf::derive(
        domain::COMPARTMENT_SEED,
        &[secret.as_bytes(), &suite.to_le_bytes(), chart.as_bytes(), tag.as_bytes(), writer.0.as_bytes()],
    );
    OpenKey::from_seed(&seed)
}

/// The key that opens the compartment, from its combined secret.
///
/// # Errors
/// [`KeyMismatch`] if the secret leads elsewhere: with verified shares, that is the writer's doing.
pub fn open_key(secret: &Secret, body: &CompartmentBody) -> Result<OpenKey, KeyMismatch> {
    Suite::try_from(body.suite)?;
    let key = derive(secret, body);
    let hash = key.public().hash(domain::COMPARTMENT_KEY);
    if bool::from(hash.as_bytes().ct_eq(body.key.as_bytes())) { Ok(key) } else { Err(KeyMismatch::Key) }
}
