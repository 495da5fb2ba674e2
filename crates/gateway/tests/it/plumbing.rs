//! This file is where the server is tried as plumbing: names, origins, compression, bounds, and how it stops.

use crate::world::{Answer, EC, World, options, sent, sign, world, world_of};
use gateway::{
    http::{Bounds, Options, Rate, ServeError, serve},
    smart::{Settings, TOKEN},
};
use primitives::Span;
use reqwest::{Method, StatusCode};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

fn check_outcome(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status);
    assert_eq!(answer.header("content-type"), "application/fhir+json; charset=utf-8");
    let outcome = answer.json();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    assert_eq!(outcome["issue"][0]["code"], code);
}

async fn bounded(bounds: Bounds) -> World {
    world_of(Settings::default(), Options { bounds, ..options() }).await
}

#[tokio::test]
async fn requests_have_names() {
    let world = world().await;
    let named = world.http.get(world.at("/fhir/long")).header("x-request-id", "from-the-caller.1");
    assert_eq!(sent(named).await.header("x-request-id"), "from-the-caller.1");
    for bad in ["a b", "<script>", &"a".repeat(65), ""] {
        let answer = sent(world.http.get(world.at("/fhir/long")).header("x-request-id", bad)).await;
        let id = answer.header("x-request-id");
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{bad}: {id}");
    }
    let [one, two] = [world.get("/fhir/long").await, world.get("/nothing").await];
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
    world.server.stop().await;
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_fhir() {
    let world = world().await;
    check_outcome(&world.get("/nothing").await, 404, "not-found");
    check_outcome(&world.get("/fhir/nothing").await, 404, "not-found");
    let delete = sent(world.http.delete(world.at("/fhir/echo"))).await;
    check_outcome(&delete, 405, "not-supported");
    assert_eq!(delete.header("allow"), "POST");
    let long = sent(world.http.post(world.at("/fhir/echo")).body(vec![b'x'; 100_001])).await;
    check_outcome(&long, 413, "too-long");
    let fits = sent(world.http.post(world.at("/fhir/echo")).body(vec![b'x'; 100_000])).await;
    assert_eq!((fits.status, fits.bytes.as_slice()), (StatusCode::OK, b"100000".as_slice()));
    check_outcome(&world.get("/fhir/panic").await, 500, "exception");
    let refused = world.get("/fhir/refuse").await;
    check_outcome(&refused, 418, "business-rule");
    assert_eq!(refused.header("retry-after"), "3");
    for answer in [world.get("/fhir/long").await, refused] {
        for (name, value) in [
            ("cache-control", "no-store"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("referrer-policy", "no-referrer"),
            ("strict-transport-security", "max-age=31536000"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
    }
    world.server.stop().await;
}

#[tokio::test]
async fn answers_are_compressed_if_asked_but_never_tokens() {
    let world = world().await;
    let asking = |path: &str| world.http.get(world.at(path)).header("accept-encoding", "gzip");
    let plain = world.get("/fhir/long").await;
    assert_eq!((plain.header("content-encoding"), plain.bytes.len()), ("", 50_000));
    let packed = sent(asking("/fhir/long")).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.header("vary").contains("accept-encoding"));
    // RFC 1952 §2.3.1; the length of what was packed stands at its end.
    assert_eq!(&packed.bytes[..2], [0x1f, 0x8b]);
    assert_eq!(packed.bytes[packed.bytes.len() - 4..], 50_000_u32.to_le_bytes());
    let short = sent(asking("/.well-known/smart-configuration").header("accept-encoding", "br")).await;
    assert_eq!(short.status, StatusCode::OK);
    // A refusal that is long enough too, and it is still one.
    let refused = sent(asking("/fhir/refuse")).await;
    assert_eq!((refused.status, refused.header("content-encoding")), (StatusCode::IM_A_TEAPOT, "gzip"));
    assert_eq!(&refused.bytes[..2], [0x1f, 0x8b]);
    let scopes: Vec<String> = (0..100).map(|n| format!("system/Type{n}.rs")).collect();
    let body = crate::world::form(&[
        ("grant_type", "client_credentials"),
        ("scope", &scopes.join(" ")),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &sign(&EC, &world.claims("ward"))),
    ]);
    let request = world.http.post(world.at(TOKEN)).header("accept-encoding", "gzip").body(body);
    let token = sent(request.header("content-type", "application/x-www-form-urlencoded")).await;
    assert_eq!((token.status, token.header("content-encoding")), (StatusCode::OK, ""));
    assert!(token.bytes.len() > 1500);
    world.server.stop().await;
}

#[tokio::test]
async fn web_pages_of_named_origins_may_call() {
    let cors = vec!["https://app.example".parse().unwrap(), "http://localhost:3000".parse().unwrap()];
    let world = world_of(Settings::default(), Options { cors, ..options() }).await;
    for (origin, allowed) in [
        ("https://app.example", true),
        ("http://localhost:3000", true),
        ("https://evil.example", false),
        ("https://app.example.evil.example", false),
        ("http://app.example", false),
        ("null", false),
    ] {
        let expected = if allowed { origin } else { "" };
        let preflight = world
            .http
            .request(Method::OPTIONS, world.at("/fhir/who"))
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization");
        let preflight = sent(preflight).await;
        assert_eq!(preflight.header("access-control-allow-origin"), expected, "{origin}");
        assert!(preflight.header("access-control-allow-headers").contains("authorization"));
        assert_eq!(preflight.header("access-control-allow-credentials"), "");
        // A refusal can be read by the page too.
        let refused = sent(world.http.get(world.at("/fhir/who")).header("origin", origin)).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.header("access-control-allow-origin"), expected, "{origin}");
        assert!(refused.header("access-control-expose-headers").contains("x-request-id"));
    }
    world.server.stop().await;
}

#[tokio::test]
async fn an_address_that_asks_too_often_waits() {
    let per_address = Some(Rate { burst: 5, per_sec: 1 });
    let world = bounded(Bounds { per_address, ..Bounds::default() }).await;
    for _ in 0..5 {
        assert_eq!(world.get("/fhir/long").await.status, StatusCode::OK);
    }
    let refused = world.get("/fhir/long").await;
    check_outcome(&refused, 429, "throttled");
    assert_eq!(refused.header("retry-after"), "1");
    let token = world.token_for("x", "system/*.rs").await;
    assert_eq!(token.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(token.json()["error"], "temporarily_unavailable");
    assert_eq!(token.header("cache-control"), "no-store");
    world.clock.forward(Span::secs(2));
    assert_eq!(world.get("/fhir/long").await.status, StatusCode::OK);
    world.server.stop().await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up() {
    let world = bounded(Bounds { answer: Duration::from_millis(50), ..Bounds::default() }).await;
    let answer = world.get("/fhir/never").await;
    check_outcome(&answer, 503, "timeout");
    assert_eq!(answer.header("retry-after"), "5");
    world.server.stop().await;
}

#[tokio::test]
async fn a_silent_or_endless_caller_is_cut_off() {
    let world = bounded(Bounds { head: Duration::from_millis(100), ..Bounds::default() }).await;
    let address = world.server.address();
    let mut answer = Vec::new();
    // Half a head, and nothing at all, and nothing more after one request.
    for said in ["GET /fhir/long HTTP/1.1\r\nhost:", "", "GET /fhir/nothing HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        // It ends, or this test does by its own time.
        tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer))
            .await
            .unwrap()
            .unwrap();
    }
    // A head without an end is refused before it fills the memory.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let endless = format!("GET /fhir/long HTTP/1.1\r\nx: {}", "x".repeat(1 << 20));
    // Writing fails once the server has had enough.
    let _cut = stream.write_all(endless.as_bytes()).await;
    answer.clear();
    let _reset = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
    world.server.stop().await;
}

#[tokio::test]
async fn further_connections_wait_for_a_place() {
    let world = bounded(Bounds { connections_max: 1, ..Bounds::default() }).await;
    let address = world.server.address();
    let ask = b"GET /fhir/echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(ask).await.unwrap();
    let mut byte = [0; 1];
    let early = tokio::time::timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second was served while the first held the only place");
    drop(first);
    assert_eq!(second.read(&mut byte).await.unwrap(), 1);
    drop(second);
    world.server.stop().await;
}

#[tokio::test]
async fn a_server_stops_after_the_requests_under_way() {
    let world = world().await;
    let address = world.server.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Half a body: the request is under way until the rest comes.
    stream
        .write_all(
            b"POST /fhir/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n",
        )
        .await
        .unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let World { server, .. } = world;
    let stopping = tokio::spawn(server.stop());
    // Once it is stopping, nobody new gets in.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(b"body").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n4"), "{answer}");
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_server_gives_up_what_never_ends() {
    let world = bounded(Bounds { drain: Duration::from_millis(100), ..Bounds::default() }).await;
    let mut stream = TcpStream::connect(world.server.address()).await.unwrap();
    stream.write_all(b"GET /fhir/never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // An answer on a later connection shows that the first was accepted.
    assert_eq!(world.get("/fhir/long").await.status, StatusCode::OK);
    world.server.stop().await;
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}

#[tokio::test]
async fn a_taken_address_is_said_so() {
    let world = world().await;
    let options = Options { listen: world.server.address(), ..options() };
    let error = serve(axum::Router::new(), options, world.clock.clone()).await.unwrap_err();
    assert!(matches!(error, ServeError::Listen { .. }));
    assert!(error.to_string().contains("is the port taken?"), "{error}");
    world.server.stop().await;
}
