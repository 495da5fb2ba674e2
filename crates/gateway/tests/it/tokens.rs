//! This file is where clients get tokens, use them, ask about them and give them back, or are refused at each step.

use crate::world::{Answer, EC, PUBLIC, RSA, STRANGE, World, form, options, sign, sign_as, world, world_of};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gateway::{
    http::Rate,
    smart::{INTROSPECT, REVOKE, Settings, TOKEN},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ledger::consent::Purpose;
use primitives::Span;
use reqwest::StatusCode;
use serde_json::{Value, json};

fn check_refused(case: &str, answer: &Answer, status: u16, error: &str, words: &str) {
    let body: Value = answer.json();
    assert_eq!(answer.status.as_u16(), status, "{case}: {body}");
    assert_eq!(body["error"], error, "{case}: {body}");
    let description = body["error_description"].as_str().unwrap();
    assert!(description.contains(words), "{case}: {description}");
    assert_eq!(answer.header("cache-control"), "no-store", "{case}");
    assert_eq!(answer.header("content-type"), "application/json", "{case}");
    assert!(body.get("access_token").is_none(), "{case}");
}

#[tokio::test]
async fn a_client_gets_a_token_and_uses_it() {
    let world = world().await;
    for pair in [&*RSA, &*EC] {
        let answer =
            world.token_for(&sign(pair, &world.claims("ward")), "system/Observation.crus openid").await;
        let body = answer.json();
        assert_eq!(answer.status, StatusCode::OK, "{body}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("pragma"), "no-cache");
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 300);
        assert_eq!(body["scope"], "system/Observation.crus");
        let token = body["access_token"].as_str().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(token).unwrap().len(), 32);
        let who = world.who(token).await;
        assert_eq!(who.status, StatusCode::OK);
        assert_eq!(
            who.json(),
            json!({
                "client": "ward",
                "name": "Ward round",
                "scopes": "system/Observation.crus",
                "purpose": "HOPERAT",
                "profile": "riverside/dr-adams",
                "request": who.header("x-request-id"),
            })
        );
    }
    world.server.stop().await;
}

#[tokio::test]
async fn scopes_are_narrowed_to_the_registration() {
    let world = world().await;
    for (client, asked, granted) in [
        ("ward", "system/*.read", Some("system/*.read")),
        ("ward", "system/*.*", Some("system/*.read system/Observation.*")),
        ("ward", "system/Observation.write", Some("system/Observation.write")),
        ("ward", "system/Patient.cruds", Some("system/Patient.rs")),
        ("ward", "user/*.cruds", Some("user/Patient.r")),
        ("ward", "patient/*.rs launch/patient system/Patient.r", Some("system/Patient.r")),
        ("export", "system/*.rs", Some("system/Observation.rs?category=laboratory")),
        (
            "export",
            "system/Observation.rs?code=http://loinc.org|4548-4",
            Some("system/Observation.rs?category=laboratory&code=http://loinc.org|4548-4"),
        ),
        ("export", "system/Observation.cud", None),
        ("export", "system/Patient.rs", None),
        ("export", "user/Observation.rs", None),
        ("ward", "system/Patient.w", None),
        ("ward", "openid fhirUser", None),
    ] {
        let answer = world.token_for(&sign(&EC, &world.claims(client)), asked).await;
        match granted {
            Some(granted) => assert_eq!(answer.json()["scope"], granted, "{client} {asked}"),
            None => check_refused(asked, &answer, 400, "invalid_scope", "none of these scopes"),
        }
    }
    world.server.stop().await;
}

#[tokio::test]
async fn assertions_that_are_refused() {
    let world = world().await;
    let now = i64::try_from(world.claims("ward")["iat"].as_u64().unwrap()).unwrap();
    // What is changed in claims that are right; then the error's words. All are `invalid_client`.
    let none = Value::Null;
    for (claim, value, words) in [
        ("exp", json!(now), "has expired"),
        ("exp", json!(now - 1), "has expired"),
        ("exp", json!(now + 331), "at most 5 minutes"),
        ("exp", json!("soon"), "must claim"),
        ("exp", json!(-1), "no time"),
        ("exp", json!(1e300), "no time"),
        ("exp", none.clone(), "must claim"),
        ("iat", json!(now + 31), "lies ahead"),
        ("iat", json!(now - 331), "5 minutes ago"),
        ("nbf", json!(now + 31), "lies ahead"),
        ("aud", json!("https://elsewhere.example/auth/token"), "`aud` must be"),
        ("aud", json!(PUBLIC), "`aud` must be"),
        ("aud", json!(format!("{PUBLIC}{REVOKE}")), "`aud` must be"),
        ("aud", json!(format!("{PUBLIC}{TOKEN}/")), "`aud` must be"),
        ("aud", json!([]), "`aud` must be"),
        ("aud", json!(vec![format!("{PUBLIC}{TOKEN}"); 9]), "`aud` must be"),
        ("aud", none.clone(), "must claim"),
        ("iss", json!("export"), "must be the client's id"),
        ("iss", none.clone(), "must claim"),
        ("sub", json!("export"), "must be the client's id"),
        ("sub", none.clone(), "must claim"),
        ("jti", json!(""), "`jti` must be"),
        ("jti", json!("j".repeat(257)), "`jti` must be"),
        ("jti", json!(7), "must claim"),
        ("jti", none.clone(), "must claim"),
    ] {
        let mut claims = world.claims("ward");
        match &value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
            value => claims[claim] = value.clone(),
        }
        let answer = world.token_for(&sign(&EC, &claims), "system/*.rs").await;
        check_refused(&format!("{claim} = {value}"), &answer, 401, "invalid_client", words);
    }
    world.server.stop().await;
}

#[tokio::test]
async fn signatures_that_are_refused() {
    let world = world().await;
    let claims = || world.claims("ward");
    let header = |algorithm, kid: &str| Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let public = RSA.jwk["n"].as_str().unwrap();
    let good = sign(&EC, &claims());
    let (head, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let stranger = "isn't registered here";
    for (case, assertion, words) in [
        (
            "alg none",
            format!("{}.{}.", part(&json!({"alg": "none", "kid": "ec"})), part(&claims())),
            "RS384 or ES384",
        ),
        (
            "alg none, with the signature of another",
            format!("{}.{}.{signature}", part(&json!({"alg": "none", "kid": "ec"})), part(&claims())),
            "RS384 or ES384",
        ),
        (
            "HS256 with the public key as secret",
            sign_as(
                &header(Algorithm::HS256, "rsa"),
                &EncodingKey::from_secret(public.as_bytes()),
                &claims(),
            ),
            "RS384 or ES384",
        ),
        (
            "HS384 with the public key as secret",
            sign_as(
                &header(Algorithm::HS384, "rsa"),
                &EncodingKey::from_secret(public.as_bytes()),
                &claims(),
            ),
            "RS384 or ES384",
        ),
        ("RS256", sign_as(&header(Algorithm::RS256, "rsa"), &RSA.signs, &claims()), "RS384 or ES384"),
        ("PS384", sign_as(&header(Algorithm::PS384, "rsa"), &RSA.signs, &claims()), "RS384 or ES384"),
        ("RS512", sign_as(&header(Algorithm::RS512, "rsa"), &RSA.signs, &claims()), "RS384 or ES384"),
        ("another's key", sign(&STRANGE, &claims()), stranger),
        ("unknown kid", sign_as(&header(Algorithm::ES384, "other"), &EC.signs, &claims()), stranger),
        (
            "kid of a key of another kind",
            sign_as(&header(Algorithm::ES384, "rsa"), &EC.signs, &claims()),
            stranger,
        ),
        ("no kid", sign_as(&Header::new(Algorithm::ES384), &EC.signs, &claims()), "`kid`"),
        ("claims exchanged", format!("{head}.{}.{signature}", part(&claims())), stranger),
        (
            "the sender's own key in the header",
            sign_as(
                &Header {
                    jwk: Some(serde_json::from_value(STRANGE.jwk.clone()).unwrap()),
                    jku: Some("https://evil.example/jwks".to_owned()),
                    ..header(Algorithm::ES384, "ec")
                },
                &STRANGE.signs,
                &claims(),
            ),
            stranger,
        ),
        (
            "crit",
            sign_as(
                &Header { crit: Some(vec!["b64".to_owned()]), ..header(Algorithm::ES384, "ec") },
                &EC.signs,
                &claims(),
            ),
            "`crit`",
        ),
        ("cut short", good[..good.len() - 4].to_owned(), stranger),
        ("not a JWT", "x".to_owned(), "no signed JWT"),
        ("too long", "x".repeat(16 * 1024 + 1), "longer than"),
        ("unknown client", sign(&EC, &world.claims("nobody")), stranger),
        ("impossible client", sign(&EC, &world.claims("a/../b")), stranger),
    ] {
        let answer = world.token_for(&assertion, "system/*.rs").await;
        check_refused(case, &answer, 401, "invalid_client", words);
    }
    // A client that is kept out is no client, and what it held is worth nothing.
    let token = world.token("ward", "system/*.rs").await;
    let id = "ward".parse().unwrap();
    assert!(world.authority.clients().set_enabled(&id, false).unwrap());
    assert_eq!(world.who(&token).await.status, StatusCode::UNAUTHORIZED);
    let answer = world.token_for(&sign(&EC, &claims()), "system/*.rs").await;
    check_refused("disabled", &answer, 401, "invalid_client", stranger);
    assert!(world.authority.clients().set_enabled(&id, true).unwrap());
    assert_eq!(world.who(&token).await.status, StatusCode::UNAUTHORIZED);
    world.server.stop().await;
}

#[tokio::test]
async fn forms_that_are_refused() {
    let world = world().await;
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let grant = ("grant_type", "client_credentials");
    let scope = ("scope", "system/*.rs");
    let assertion = || sign(&EC, &world.claims("ward"));
    let (one, two, three, four, five) = (assertion(), assertion(), assertion(), assertion(), assertion());
    let many = "system/Observation.r ".repeat(1000);
    for (case, pairs, status, error, words) in [
        (
            "no grant type",
            vec![kind, scope, ("client_assertion", &one)],
            400,
            "invalid_request",
            "grant_type",
        ),
        (
            "another grant type",
            vec![("grant_type", "password"), kind, scope, ("client_assertion", &one)],
            400,
            "unsupported_grant_type",
            "client_credentials",
        ),
        ("no assertion", vec![grant, kind, scope], 401, "invalid_client", "client_assertion"),
        (
            "no type of assertion",
            vec![grant, scope, ("client_assertion", &one)],
            401,
            "invalid_client",
            "type",
        ),
        (
            "a secret instead",
            vec![grant, scope, ("client_id", "ward"), ("client_secret", "secret")],
            401,
            "invalid_client",
            "client_assertion_type",
        ),
        (
            "the assertion twice",
            vec![grant, kind, scope, ("client_assertion", &one), ("client_assertion", &two)],
            400,
            "invalid_request",
            "twice",
        ),
        (
            "another client id beside it",
            vec![grant, kind, scope, ("client_assertion", &three), ("client_id", "export")],
            401,
            "invalid_client",
            "client_id",
        ),
        ("no scope", vec![grant, kind, ("client_assertion", &four)], 400, "invalid_scope", "name the scopes"),
        (
            "too many scopes",
            vec![grant, kind, ("scope", &many), ("client_assertion", &five)],
            400,
            "invalid_scope",
            "more than",
        ),
    ] {
        check_refused(case, &world.post(TOKEN, form(&pairs)).await, status, error, words);
    }
    let oversized = world.post(TOKEN, form(&[("scope", &"x".repeat(70_000))])).await;
    check_refused("oversized", &oversized, 400, "invalid_request", "longer than");
    let beyond = world.post(TOKEN, form(&[("scope", &"x".repeat(200_000))])).await;
    check_refused("beyond any body", &beyond, 400, "invalid_request", "longer than");
    let request = world.http.post(world.at(TOKEN)).header("content-type", "application/json").body("{}");
    check_refused("json", &crate::world::sent(request).await, 400, "invalid_request", "form-urlencoded");
    let got = world.get(TOKEN).await;
    check_refused("GET", &got, 405, "invalid_request", "method");
    assert_eq!(got.header("allow"), "POST");
    world.server.stop().await;
}

#[tokio::test]
async fn an_assertion_counts_once_even_after_a_restart() {
    let world = world().await;
    let assertion = sign(&EC, &world.claims("ward"));
    assert_eq!(world.token_for(&assertion, "system/*.rs").await.status, StatusCode::OK);
    let again = world.token_for(&assertion, "system/*.rs").await;
    check_refused("again", &again, 401, "invalid_client", "used before");
    // Signing anew doesn't help: it is the `jti` that counts; but each client has its own.
    let mut claims = world.claims("ward");
    claims["jti"] = json!("mine");
    assert_eq!(world.token_for(&sign(&EC, &claims), "system/*.rs").await.status, StatusCode::OK);
    claims["exp"] = json!(claims["exp"].as_u64().unwrap() + 1);
    let again = world.token_for(&sign(&RSA, &claims), "system/*.rs").await;
    check_refused("same jti", &again, 401, "invalid_client", "used before");
    let mut others = world.claims("export");
    others["jti"] = json!("mine");
    assert_eq!(world.token_for(&sign(&EC, &others), "system/*.rs").await.status, StatusCode::OK);
    // An assertion that is refused for what it asks is used up too; and elsewhere it doesn't count either.
    let wasted = sign(&EC, &world.claims("ward"));
    assert_eq!(world.token_for(&wasted, "openid").await.status, StatusCode::BAD_REQUEST);
    check_refused(
        "wasted",
        &world.ask(REVOKE, &wasted, &[("token", "x")]).await,
        401,
        "invalid_client",
        "used before",
    );
    // Another process on the same store knows as much.
    let clients = gateway::smart::Clients::open(&world.dir.path().join("accounts.sqlite"), None).unwrap();
    let reopened = gateway::smart::Authority::new(
        PUBLIC.parse().unwrap(),
        Settings::default(),
        clients,
        world.clock.clone(),
    );
    let server =
        gateway::http::serve(gateway::smart::router(reopened.unwrap()), options(), world.clock.clone())
            .await
            .unwrap();
    let body = form(&[
        ("grant_type", "client_credentials"),
        ("scope", "system/*.rs"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &assertion),
    ]);
    let request = world.http.post(format!("http://{}{TOKEN}", server.address()));
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
    check_refused("reopened", &crate::world::sent(request).await, 401, "invalid_client", "used before");
    server.stop().await;
    world.server.stop().await;
}

#[tokio::test]
async fn one_of_many_at_once_wins_with_one_assertion() {
    let world = world().await;
    let assertion = sign(&EC, &world.claims("ward"));
    let all = futures::future::join_all((0..16).map(|_| world.token_for(&assertion, "system/*.rs"))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == StatusCode::OK).count(), 1);
    assert_eq!(all.iter().filter(|answer| answer.status == StatusCode::UNAUTHORIZED).count(), 15);
    world.server.stop().await;
}

#[tokio::test]
async fn purposes_of_use() {
    let roles = [("physician".parse().unwrap(), [Purpose::Treatment].into())].into();
    let strict = world_of(Settings { purposes_of_roles: roles, ..Settings::default() }, options()).await;
    let nobody = [("nurse".parse().unwrap(), [Purpose::Treatment].into())].into();
    let other = world_of(Settings { purposes_of_roles: nobody, ..Settings::default() }, options()).await;
    let plain = world().await;
    let b2b = |value: Value| json!({ "hl7-b2b": { "purpose_of_use": value } });
    // Client and extensions; then what comes of it without roles, where the physician may treat, and where only nurses may.
    let (ok, no, all_no) = ("granted", "may not ask", ["may not ask"; 3]);
    for (client, extensions, results) in [
        ("ward", b2b(json!(["urn:oid:2.16.840.1.113883.5.8#TREAT"])), [ok, ok, no]),
        ("ward", b2b(json!(["TREAT"])), [ok, ok, no]),
        ("ward", b2b(json!(["http://terminology.hl7.org/CodeSystem/v3-ActReason#TREAT"])), [ok, ok, no]),
        ("ward", b2b(json!(["HOPERAT"])), [ok, no, no]),
        ("ward", b2b(json!(["BTG"])), all_no),
        ("ward", b2b(json!(["HMARKT"])), all_no),
        ("ward", b2b(json!(["urn:oid:1.2.3#TREAT"])), ["no code"; 3]),
        ("ward", b2b(json!(["treat"])), ["no code"; 3]),
        ("ward", b2b(json!(["TREAT", "HOPERAT"])), ["array of one"; 3]),
        ("ward", b2b(json!([])), ["array of one"; 3]),
        ("ward", b2b(json!("TREAT")), ["array of one"; 3]),
        ("ward", json!({ "hl7-b2b": null }), ["array of one"; 3]),
        ("ward", json!({}), ["name the purpose"; 3]),
        // A system has no role, and one that is registered for one purpose needn't name it.
        ("export", b2b(json!(["HOPERAT"])), [ok; 3]),
        ("export", json!({}), [ok; 3]),
        ("export", b2b(json!(["TREAT"])), all_no),
    ] {
        for (world, result) in [&plain, &strict, &other].into_iter().zip(results) {
            let mut claims = world.claims(client);
            claims["extensions"] = extensions.clone();
            let answer = world.token_for(&sign(&EC, &claims), "system/*.rs").await;
            if result == ok {
                assert_eq!(answer.status, StatusCode::OK, "{client} {extensions}: {}", answer.json());
            } else {
                check_refused(&format!("{client} {extensions}"), &answer, 400, "invalid_grant", result);
            }
        }
    }
    for world in [plain, strict, other] {
        world.server.stop().await;
    }
}

async fn introspected(world: &World, client: &str, token: &str) -> Value {
    let answer = world.ask(INTROSPECT, &sign(&EC, &world.claims(client)), &[("token", token)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

#[tokio::test]
async fn tokens_are_asked_about_given_back_and_end() {
    let world = world().await;
    let inactive = json!({ "active": false });
    let token = world.token("ward", "system/Observation.rs").await;
    let now = world.claims("ward")["iat"].as_u64().unwrap();
    let known = json!({
        "active": true,
        "scope": "system/Observation.rs",
        "client_id": "ward",
        "sub": "ward",
        "token_type": "Bearer",
        "iat": now,
        "exp": now + 300,
        "aud": format!("{PUBLIC}/fhir"),
        "iss": PUBLIC,
        "act_as": { "profile": "riverside/dr-adams", "role": "physician" },
        "extensions": { "hl7-b2b": { "purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#HOPERAT"] } },
    });
    assert_eq!(introspected(&world, "ward", &token).await, known);
    // One that may introspect learns of others' tokens, another doesn't.
    assert_eq!(introspected(&world, "export", &token).await, known);
    let others = world.token("export", "system/*.rs").await;
    assert_eq!(introspected(&world, "ward", &others).await, inactive);
    for nothing in ["x", &"A".repeat(43), &format!("{token}A")] {
        assert_eq!(introspected(&world, "export", nothing).await, inactive);
    }
    // Without proof of who asks nothing is told.
    let answer = world.post(INTROSPECT, form(&[("token", &token)])).await;
    check_refused("introspect unasked", &answer, 401, "invalid_client", "client_assertion_type");
    let answer = world.post(REVOKE, form(&[("token", &token)])).await;
    check_refused("revoke unasked", &answer, 401, "invalid_client", "client_assertion_type");
    // Another client can't revoke it, and isn't told so; its own can, also by an assertion made for that route.
    let answer = world.ask(REVOKE, &sign(&EC, &world.claims("export")), &[("token", &token)]).await;
    assert_eq!((answer.status, answer.bytes.len()), (StatusCode::OK, 0));
    assert_eq!(world.who(&token).await.status, StatusCode::OK);
    let mut claims = world.claims("ward");
    claims["aud"] = json!([format!("{PUBLIC}{REVOKE}")]);
    let answer = world.ask(REVOKE, &sign(&EC, &claims), &[("token", &token)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(world.who(&token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(introspected(&world, "ward", &token).await, inactive);
    // And each ends by itself, to the millisecond.
    world.clock.forward(Span(299_999));
    assert_eq!(world.who(&others).await.status, StatusCode::OK);
    world.clock.forward(Span(1));
    assert_eq!(world.who(&others).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(introspected(&world, "export", &others).await, inactive);
    world.server.stop().await;
}

#[tokio::test]
async fn requests_without_a_token_are_refused_in_fhir() {
    let world = world().await;
    let token = world.token("ward", "system/*.rs").await;
    let realm = format!("Bearer realm=\"{PUBLIC}/fhir\"");
    let invalid =
        format!("{realm}, error=\"invalid_token\", error_description=\"unknown, expired or revoked\"");
    let malformed = format!("{realm}, error=\"invalid_request\"");
    for (values, challenge) in [
        (vec![], &realm),
        (vec!["Basic d2FyZDpzZWNyZXQ=".to_owned()], &realm),
        (vec![token.clone()], &malformed),
        (vec![format!("Bearer {token}"), format!("Bearer {token}")], &malformed),
        (vec!["Bearer x".to_owned()], &invalid),
        (vec![format!("Bearer {}", "A".repeat(43))], &invalid),
        (vec![format!("Bearer {token}x")], &invalid),
        (vec![format!("Bearer {}", token.to_lowercase())], &invalid),
    ] {
        let mut request = world.http.get(world.at("/fhir/who"));
        for value in &values {
            request = request.header("authorization", value);
        }
        let answer = crate::world::sent(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{values:?}");
        assert_eq!(answer.header("www-authenticate"), challenge, "{values:?}");
        assert_eq!(answer.header("content-type"), "application/fhir+json; charset=utf-8");
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
        assert_eq!(answer.json()["issue"][0]["code"], "login");
    }
    // A token in the query is none (RFC 6750 §2.3 lets a server not support it).
    let answer = world.get(&format!("/fhir/who?access_token={token}")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let lower = world.http.get(world.at("/fhir/who")).header("authorization", format!("bearer {token}"));
    assert_eq!(crate::world::sent(lower).await.status, StatusCode::OK);
    world.server.stop().await;
}

#[tokio::test]
async fn a_client_that_asks_too_often_waits() {
    let settings = Settings { per_client: Rate { burst: 3, per_sec: 1 }, ..Settings::default() };
    let world = world_of(settings, options()).await;
    let token = world.token("ward", "system/*.rs").await;
    assert_eq!(world.who(&token).await.status, StatusCode::OK);
    assert_eq!(world.who(&token).await.status, StatusCode::OK);
    let refused = world.who(&token).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.json()["issue"][0]["code"], "throttled");
    let answer = world.token_for(&sign(&EC, &world.claims("ward")), "system/*.rs").await;
    check_refused("token", &answer, 429, "temporarily_unavailable", "too many");
    assert_eq!(answer.header("retry-after"), "1");
    // Others have their own.
    world.token("export", "system/*.rs").await;
    world.clock.forward(Span::secs(1));
    assert_eq!(world.who(&token).await.status, StatusCode::OK);
    world.server.stop().await;
}

#[tokio::test]
async fn discovery_says_what_is_there() {
    let world = world().await;
    for path in ["/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"] {
        // Another name in `Host` changes nothing.
        let request =
            world.http.get(world.at(path)).header("host", "evil.example").header("x-forwarded-host", "evil");
        let answer = crate::world::sent(request).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("content-type"), "application/json");
        let body = answer.json();
        assert_eq!(body["token_endpoint"], format!("{PUBLIC}{TOKEN}"));
        assert_eq!(body["introspection_endpoint"], format!("{PUBLIC}{INTROSPECT}"));
        assert_eq!(body["revocation_endpoint"], format!("{PUBLIC}{REVOKE}"));
        assert_eq!(body["token_endpoint_auth_signing_alg_values_supported"], json!(["RS384", "ES384"]));
        assert_eq!(body["grant_types_supported"], json!(["client_credentials"]));
        assert!(body.get("authorization_endpoint").is_none());
    }
    let security = gateway::smart::security(&PUBLIC.parse().unwrap(), true);
    assert_eq!(security["cors"], true);
    assert_eq!(security["extension"][0]["extension"][0]["valueUri"], format!("{PUBLIC}{TOKEN}"));
    world.server.stop().await;
}
