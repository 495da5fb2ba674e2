//! This file is where a JSON Web Key Set is read (RFC 7517), as far as clients may use it: RSA from 2048 bits for
//! RS384, and P-384 for ES384.

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA384, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// Longest key set, in bytes.
pub(super) const KEY_SET_BYTES_MAX: usize = 64 * 1024;
/// Most keys of one set.
const KEYS_MAX: usize = 64;
/// Longest key id, in bytes.
pub(super) const KID_BYTES_MAX: usize = 256;
/// Length of a coordinate on P-384.
const COORDINATE_BYTES: usize = 48;
/// Length of the modulus: 2048 to 8192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// How an assertion may be signed; nothing else is ever tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
}

impl Algorithm {
    /// The names that discovery tells.
    pub const NAMES: [&str; 2] = ["RS384", "ES384"];
}

/// The public keys of a client that can be used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    kid: String,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P384(Vec<u8>),
}

/// A key set can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Too long.
    #[error("a key set is at most {KEY_SET_BYTES_MAX} bytes and {KEYS_MAX} keys")]
    TooLong,
    /// Not a key set.
    #[error("this is no JSON Web Key Set; it looks like {{\"keys\": [...]}}")]
    Malformed,
    /// It holds a secret.
    #[error(
        "this key set holds a private or symmetric key; take it out everywhere, and register the public part"
    )]
    Secret,
    /// Nothing in it can be used.
    #[error("no key can be used: each needs a `kid` of its own, and is RSA from 2048 bits or EC on P-384")]
    NoKey,
    /// Two keys of one id.
    #[error("two keys have the same `kid`; give each one of its own")]
    Twice,
}

#[derive(Deserialize)]
struct WireSet {
    keys: Vec<serde_json::Value>,
}

/// A key as written: only what is used.
#[derive(Deserialize)]
struct WireKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a key set. Keys of kinds that aren't used here are passed over.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > KEY_SET_BYTES_MAX {
            return Err(KeySetError::TooLong);
        }
        let set: WireSet = serde_json::from_slice(json).map_err(|_| KeySetError::Malformed)?;
        if set.keys.len() > KEYS_MAX {
            return Err(KeySetError::TooLong);
        }
        // RFC 7518 §6: `d` is the private part of every kind, `k` a symmetric key.
        if set.keys.iter().any(|key| key.get("d").is_some() || key.get("k").is_some()) {
            return Err(KeySetError::Secret);
        }
        let mut keys: Vec<Key> = Vec::new();
        for key in set.keys {
            let Some(key) = serde_json::from_value(key).ok().and_then(key_of) else { continue };
            if keys.iter().any(|known| known.kid == key.kid) {
                return Err(KeySetError::Twice);
            }
            keys.push(key);
        }
        if keys.is_empty() { Err(KeySetError::NoKey) } else { Ok(Self(keys)) }
    }

    /// Whether there is a key of this id.
    pub(super) fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid == kid)
    }

    /// Whether the key `kid` made `signature` over `message` by `algorithm`.
    pub(super) fn verifies(&self, kid: &str, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let Some(key) = self.0.iter().find(|key| key.kid == kid) else { return false };
        match (&key.material, algorithm) {
            (Material::Rsa { n, e }, Algorithm::Rs384) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA384, message, signature)
                .is_ok(),
            (Material::P384(point), Algorithm::Es384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature).is_ok()
            }
            (Material::Rsa { .. }, Algorithm::Es384) | (Material::P384(_), Algorithm::Rs384) => false,
        }
    }
}

fn key_of(wire: WireKey) -> Option<Key> {
    let WireKey { kty, kid, usage, key_ops, alg, crv, n, e, x, y } = wire;
    let kid = kid.filter(|kid| (1..=KID_BYTES_MAX).contains(&kid.len()))?;
    let signs = usage.is_none_or(|usage| usage == "sig")
        && key_ops.is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    let is_for = |name: &str| alg.as_deref().is_none_or(|alg| alg == name);
    if !signs {
        return None;
    }
    let material = match kty.as_str() {
        "RSA" if is_for("RS384") => {
            let n: Vec<u8> = bytes(n.as_deref()?)?.into_iter().skip_while(|byte| *byte == 0).collect();
            let e = bytes(e.as_deref()?)?;
            // RFC 8017 allows any odd exponent; everybody uses 65537, and short ones are asking for trouble.
            let exponent = e
                .iter()
                .skip_while(|byte| **byte == 0)
                .try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)))?;
            (MODULUS_BYTES.contains(&n.len()) && exponent >= 65_537 && exponent % 2 == 1)
                .then_some(Material::Rsa { n, e })?
        }
        "EC" if is_for("ES384") && crv.as_deref() == Some("P-384") => {
            let (x, y) = (bytes(x.as_deref()?)?, bytes(y.as_deref()?)?);
            if x.len() != COORDINATE_BYTES || y.len() != COORDINATE_BYTES {
                return None;
            }
            // SEC 1 §2.3.3: an uncompressed point. That it is on the curve is checked when it is used.
            Material::P384([&[4], x.as_slice(), y.as_slice()].concat())
        }
        _ => return None,
    };
    Some(Key { kid, material })
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base64url of `len` bytes, none of them 0.
    fn text(len: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xa5; len])
    }

    #[test]
    fn key_sets() {
        let (n, x) = (text(256), text(48));
        let rsa = |more: &str| format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"{more}}}"#);
        let ec = |more: &str| format!(r#"{{"kty":"EC","crv":"P-384","x":"{x}","y":"{x}"{more}}}"#);
        let short = format!(r#"{{"kty":"RSA","kid":"a","n":"{}","e":"AQAB"}}"#, text(255));
        let three = format!(r#"{{"kty":"RSA","kid":"a","n":"{n}","e":"Aw"}}"#);
        let p256 = format!(r#"{{"kty":"EC","crv":"P-256","kid":"a","x":"{0}","y":"{0}"}}"#, text(32));
        let kid = |kid: &str| format!(r#","kid":"{kid}""#);
        for (keys, result) in [
            (rsa(&kid("a")), Ok(1)),
            (ec(&kid("a")), Ok(1)),
            (format!("{},{}", rsa(&kid("a")), ec(&kid("b"))), Ok(2)),
            (format!("{},{p256}", rsa(&kid("b"))), Ok(1)),
            (rsa(r#","kid":"a","use":"sig","alg":"RS384","key_ops":["verify"]"#), Ok(1)),
            (rsa(r#","kid":"a","use":"enc""#), Err(KeySetError::NoKey)),
            (rsa(r#","kid":"a","alg":"RS256""#), Err(KeySetError::NoKey)),
            (rsa(r#","kid":"a","key_ops":["encrypt"]"#), Err(KeySetError::NoKey)),
            (ec(r#","kid":"a","alg":"RS384""#), Err(KeySetError::NoKey)),
            (rsa(""), Err(KeySetError::NoKey)),
            (rsa(&kid("")), Err(KeySetError::NoKey)),
            (short, Err(KeySetError::NoKey)),
            (three, Err(KeySetError::NoKey)),
            (p256, Err(KeySetError::NoKey)),
            (String::new(), Err(KeySetError::NoKey)),
            (format!("{},{}", rsa(&kid("a")), ec(&kid("a"))), Err(KeySetError::Twice)),
            (rsa(r#","kid":"a","d":"AQAB""#), Err(KeySetError::Secret)),
            (r#"{"kty":"oct","kid":"a","k":"c2VjcmV0"}"#.to_owned(), Err(KeySetError::Secret)),
            (vec!["{}"; KEYS_MAX + 1].join(","), Err(KeySetError::TooLong)),
        ] {
            let found = KeySet::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes());
            assert_eq!(found.map(|set| set.0.len()), result, "{keys}");
        }
        for bad in ["", "[]", "{}", r#"{"keys":{}}"#, "{\"keys\":[]", "\u{0}"] {
            assert_eq!(KeySet::parse(bad.as_bytes()), Err(KeySetError::Malformed), "{bad}");
        }
        let long = " ".repeat(KEY_SET_BYTES_MAX + 1);
        assert_eq!(KeySet::parse(long.as_bytes()), Err(KeySetError::TooLong));
    }
}
