//! This file is where a client's keys come from an address: when they are fetched, and from where never.

use crate::tls::{certify, files};
use crate::world::{EC, STRANGE, World, options, physician, sign, world, world_of};
use axum::{Router, http::HeaderMap, response::Redirect, routing::get};
use gateway::{
    http::{Options, serve},
    smart::{Client, Keys, Reach, Settings},
};
use primitives::Span;
use reqwest::StatusCode;
use serde_json::json;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinHandle};

/// A server that a client publishes its keys on.
struct Publisher {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    says: Arc<Mutex<(StatusCode, String)>>,
    task: JoinHandle<()>,
}

impl Publisher {
    async fn new() -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let says = Arc::new(Mutex::new((StatusCode::OK, json!({ "keys": [EC.jwk] }).to_string())));
        let (count, body) = (asked.clone(), says.clone());
        let jwks = move |headers: HeaderMap| {
            assert!(headers.contains_key("host"));
            count.fetch_add(1, Ordering::SeqCst);
            let answer = body.lock().unwrap().clone();
            async move { answer }
        };
        let app = Router::new()
            .route("/jwks", get(jwks))
            .route("/elsewhere", get(|| async { Redirect::temporary("/jwks") }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, asked, says, task }
    }

    fn says(&self, status: StatusCode, body: String) {
        *self.says.lock().unwrap() = (status, body);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn by_url(id: &str, url: String) -> Client {
    Client { keys: Keys::Url(url), ..physician(id) }
}

async fn demo() -> World {
    let reach = Reach { loopback: true, ..Reach::default() };
    world_of(Settings { reach, ..Settings::default() }, options()).await
}

async fn status(world: &World, client: &str, kid: &str) -> u16 {
    let header =
        jsonwebtoken::Header { kid: Some(kid.to_owned()), ..jsonwebtoken::Header::new(EC.algorithm) };
    let assertion = crate::world::sign_as(&header, &EC.signs, &world.claims(client));
    world.token_for(&assertion, "system/*.rs").await.status.as_u16()
}

#[tokio::test]
async fn keys_are_fetched_seldom_and_again_when_they_change() {
    let (world, publisher) = (demo().await, Publisher::new().await);
    world.authority.clients().add(&by_url("app", format!("http://{}/jwks", publisher.address))).unwrap();
    for _ in 0..3 {
        assert_eq!(status(&world, "app", "ec").await, 200);
    }
    assert_eq!(publisher.asked(), 1);
    // An unknown key may be a new one: asked again, but not more often than every ten seconds.
    assert_eq!(status(&world, "app", "new").await, 401);
    assert_eq!(publisher.asked(), 1);
    world.clock.forward(Span::secs(10));
    let mut renewed = EC.jwk.clone();
    renewed["kid"] = json!("new");
    publisher.says(StatusCode::OK, json!({ "keys": [renewed] }).to_string());
    assert_eq!(status(&world, "app", "new").await, 200);
    assert_eq!(publisher.asked(), 2);
    // What was taken out of the set counts no more.
    assert_eq!(status(&world, "app", "ec").await, 401);
    assert_eq!(publisher.asked(), 2);
    // If the set is away, the known one counts until it is five minutes old, and then none.
    publisher.says(StatusCode::INTERNAL_SERVER_ERROR, String::new());
    world.clock.forward(Span::secs(299));
    assert_eq!(status(&world, "app", "new").await, 200);
    world.clock.forward(Span::secs(1));
    assert_eq!(status(&world, "app", "new").await, 401);
    assert_eq!(publisher.asked(), 3);
    assert_eq!(status(&world, "app", "new").await, 429);
    assert_eq!(publisher.asked(), 3);
    world.server.stop().await;
}

#[tokio::test]
async fn sets_that_are_no_use() {
    let (world, publisher) = (demo().await, Publisher::new().await);
    let good = json!({ "keys": [EC.jwk] }).to_string();
    for (place, (code, body)) in [
        (StatusCode::OK, String::new()),
        (StatusCode::OK, "<html>".to_owned()),
        (StatusCode::OK, r#"{"keys":[]}"#.to_owned()),
        (StatusCode::OK, json!({ "keys": [STRANGE.jwk] }).to_string()),
        (StatusCode::OK, format!("{good}{}", " ".repeat(64 * 1024))),
        (StatusCode::CREATED, good.clone()),
        (StatusCode::NOT_FOUND, good.clone()),
    ]
    .into_iter()
    .enumerate()
    {
        publisher.says(code, body.clone());
        let id = format!("app{place}");
        world.authority.clients().add(&by_url(&id, format!("http://{}/jwks", publisher.address))).unwrap();
        world.clock.forward(Span::secs(600));
        assert_eq!(status(&world, &id, "ec").await, 401, "{code} {body:.20}");
        assert_eq!(publisher.asked(), place + 1);
    }
    // Nobody is followed elsewhere.
    publisher.says(StatusCode::OK, good);
    let asked = publisher.asked();
    world
        .authority
        .clients()
        .add(&by_url("moved", format!("http://{}/elsewhere", publisher.address)))
        .unwrap();
    assert_eq!(status(&world, "moved", "ec").await, 401);
    assert_eq!(publisher.asked(), asked);
    world.server.stop().await;
}

#[tokio::test]
async fn the_inside_is_not_called_on_a_clients_word() {
    let (world, publisher) = (world().await, Publisher::new().await);
    let port = publisher.address.port();
    for (place, url) in [
        format!("http://127.0.0.1:{port}/jwks"),
        format!("https://127.0.0.1:{port}/jwks"),
        format!("https://localhost:{port}/jwks"),
        format!("https://0x7f000001:{port}/jwks"),
        format!("https://[::ffff:127.0.0.1]:{port}/jwks"),
        format!("https://0.0.0.0:{port}/jwks"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://10.0.0.1/jwks".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("app{place}");
        world.authority.clients().add(&by_url(&id, url.clone())).unwrap();
        let answer = world.token_for(&sign(&EC, &world.claims(&id)), "system/*.rs").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{url}");
        // Nor does the answer tell what lies there.
        let words = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(words.contains("isn't registered here"), "{url}: {words}");
    }
    assert_eq!(publisher.asked(), 0);
    world.server.stop().await;
}

#[tokio::test]
async fn a_set_that_breaks_off_is_none() {
    let world = demo().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    world.authority.clients().add(&by_url("slow", url)).unwrap();
    // It promises more than it sends, and closes.
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"keys\"").await.unwrap();
    });
    assert_eq!(status(&world, "slow", "ec").await, 401);
    task.await.unwrap();
    world.server.stop().await;
}

#[tokio::test]
async fn keys_come_over_tls_from_a_host_that_can_show_who_it_is() {
    let dir = tempfile::TempDir::new().unwrap();
    let tls = files(dir.path());
    let router = Router::new().route("/jwks", get(|| async { json!({ "keys": [EC.jwk] }).to_string() }));
    let clock = crate::world::Clock::shared();
    // What the certificate is for, and whether it is trusted; then whether the keys are believed.
    for (name, trusted, believed) in
        [("localhost", true, 200), ("localhost", false, 401), ("other.example", true, 401)]
    {
        certify(&tls, name);
        let publisher = serve(router.clone(), Options { tls: Some(tls.clone()), ..options() }, clock.clone())
            .await
            .unwrap();
        let settings = Settings {
            reach: Reach { loopback: true, ..Reach::default() },
            roots: if trusted { vec![tls.certificate.clone()] } else { Vec::new() },
            ..Settings::default()
        };
        let world = world_of(settings, options()).await;
        let url = format!("https://localhost:{}/jwks", publisher.address().port());
        world.authority.clients().add(&by_url("app", url)).unwrap();
        assert_eq!(status(&world, "app", "ec").await, believed, "{name} {trusted}");
        world.server.stop().await;
        publisher.stop().await;
    }
}
