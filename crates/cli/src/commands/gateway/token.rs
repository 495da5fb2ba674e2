//! This file is where a registered client's key is turned into an access token: for trying things out by hand.

use crate::{
    context::Context,
    exit::{Exit, Failure},
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use clap::Args;
use client::{
    Host as _, SystemHost,
    keys::{read_private, write_private},
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// How long an assertion counts, in seconds.
const ASSERTION_SECS: u64 = 120;

/// First and last line of a private key's file.
const PEM: [&str; 2] = ["-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"];

/// Get an access token as a registered client, for trying things out with curl
///
/// Signs an assertion (ES384) with the client's private key and shows it at the token endpoint.
#[derive(Args, Debug)]
pub(crate) struct Token {
    /// The client's id
    #[arg(long, value_name = "ID")]
    pub(crate) client: String,
    /// Its private key: a P-384 key in PEM (PKCS#8), only its owner may read the file
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The gateway's public address, as http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    pub(crate) gateway: String,
    /// Scopes to ask for
    #[arg(long, value_name = "SCOPES", default_value = "system/*.cruds")]
    pub(crate) scopes: String,
    /// The purpose of use
    #[arg(long, value_name = "CODE", default_value = "TREAT")]
    pub(crate) purpose: String,
    /// Vouch that the client's user signs in this moment, by more than one factor, as breaking the glass asks for
    #[arg(long)]
    pub(crate) signed_in: bool,
}

pub(super) async fn run(args: &Token, ctx: &Context) -> Result<(), Failure> {
    let token = fetch(args).await?;
    if ctx.out.json {
        return ctx.out.json(&token);
    }
    let access = token.get("access_token").and_then(Value::as_str).unwrap_or_default();
    ctx.out.line(access);
    Ok(())
}

/// Gets a token: the endpoint's answer.
pub(crate) async fn fetch(args: &Token) -> Result<Value, Failure> {
    let endpoint = format!("{}/auth/token", args.gateway.trim_end_matches('/'));
    let assertion = assertion(args, &endpoint)?;
    let unreachable =
        |error: reqwest::Error| Failure::new(Exit::Unreachable, format!("`{endpoint}`: {error}"));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion.as_str()),
        ("scope", args.scopes.as_str()),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let response = reqwest::Client::new()
        .post(&endpoint)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .map_err(unreachable)?;
    let status = response.status();
    let text = response.text().await.map_err(unreachable)?;
    let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(answer);
    }
    let said = answer.get("error_description").or_else(|| answer.get("error")).and_then(Value::as_str);
    Err(Failure::new(
        Exit::Refused,
        format!("no token: {} ({status})", said.unwrap_or("the gateway says no")),
    ))
}

/// The client's signed word who it is, and for what purpose it comes.
fn assertion(args: &Token, endpoint: &str) -> Result<String, Failure> {
    let key = read_key(&args.key)?;
    let now = SystemHost.now().0 / 1000;
    let header = json!({ "alg": "ES384", "typ": "JWT", "kid": kid(&key) });
    let mut claims = json!({
        "iss": args.client,
        "sub": args.client,
        "aud": endpoint,
        "iat": now,
        "exp": now.saturating_add(ASSERTION_SECS),
        "jti": hex::encode(client::host::random(&SystemHost)),
        "extensions": { "hl7-b2b": {
            "version": "1",
            "organization_id": args.gateway,
            "purpose_of_use": [format!("urn:oid:2.16.840.1.113883.5.8#{}", args.purpose)],
        } },
    });
    if args.signed_in {
        claims["auth_time"] = json!(now);
        claims["amr"] = json!(["mfa"]);
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = key
        .sign(&SystemRandom::new(), signed.as_bytes())
        .map_err(|_| Failure::new(Exit::Fault, "the assertion can't be signed"))?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
}

/// A fresh key for a client: written to `path`, its public half as a JWK Set.
pub(crate) fn make_key(path: &Path) -> Result<Value, Failure> {
    let fault = |_| Failure::new(Exit::Fault, "a key can't be made");
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).map_err(fault)?;
    let text = format!("{}\n{}\n{}\n", PEM[0], STANDARD.encode(pkcs8.as_ref()), PEM[1]);
    write_private(path, text.as_bytes(), false)?;
    let key = read_key(path)?;
    let point = key.public_key().as_ref();
    let half = |from: usize| URL_SAFE_NO_PAD.encode(point.get(from..from + 48).unwrap_or_default());
    Ok(json!({ "keys": [{
        "kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": kid(&key), "x": half(1), "y": half(49),
    }] }))
}

fn kid(key: &EcdsaKeyPair) -> String {
    let hash = primitives::hash(primitives::domain::BLOB, &[b"key id", key.public_key().as_ref()]);
    hash.to_string().chars().take(16).collect()
}

fn read_key(path: &Path) -> Result<EcdsaKeyPair, Failure> {
    let malformed =
        || Failure::new(Exit::Keys, format!("`{}` is no P-384 key in PEM (PKCS#8)", path.display()));
    let bytes = read_private(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
    let inside = text.trim().strip_prefix(PEM[0]).and_then(|text| text.trim_end().strip_suffix(PEM[1]));
    let inside: String = inside.ok_or_else(malformed)?.split_whitespace().collect();
    let pkcs8 = STANDARD.decode(inside).map_err(|_| malformed())?;
    EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &pkcs8).map_err(|_| malformed())
}
