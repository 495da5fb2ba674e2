//! This file is where clients are registered, or refused, and the store is copied and opened again.

use crate::world::{START, key_set, physician, system};
use gateway::smart::{Client, ClientId, Clients, Keys, Principal, Scopes, StoreKey};
use ledger::consent::Purpose;
use std::{fs, os::unix::fs::PermissionsExt as _};
use tempfile::TempDir;

fn open(dir: &TempDir) -> Clients {
    Clients::open(&dir.path().join("accounts.sqlite"), None).unwrap()
}

#[test]
fn clients_are_kept() {
    let dir = TempDir::new().unwrap();
    let clients = open(&dir);
    assert_eq!(clients.list().unwrap(), []);
    clients.add(&system("b")).unwrap();
    clients.add(&physician("a")).unwrap();
    assert_eq!(clients.list().unwrap(), [physician("a"), system("b")]);
    // Another process sees the same, and what it changes is seen here.
    let again = open(&dir);
    let id: ClientId = "a".parse().unwrap();
    assert_eq!(again.get(&id).unwrap(), Some(physician("a")));
    assert!(again.set_enabled(&id, false).unwrap());
    assert_eq!(clients.get(&id).unwrap(), Some(Client { enabled: false, ..physician("a") }));
    assert!(clients.add(&physician("a")).unwrap_err().to_string().contains("already"));
    assert!(clients.remove(&id).unwrap());
    assert!(!clients.remove(&id).unwrap());
    assert!(!clients.set_enabled(&id, true).unwrap());
    assert_eq!(again.list().unwrap(), [system("b")]);
}

#[test]
fn a_backup_opens_as_it_was() {
    let dir = TempDir::new().unwrap();
    let clients = open(&dir);
    clients.add(&physician("a")).unwrap();
    let copy = dir.path().join("copy.sqlite");
    clients.backup(&copy).unwrap();
    clients.add(&physician("later")).unwrap();
    assert_eq!(Clients::open(&copy, None).unwrap().list().unwrap(), [physician("a")]);
    // Nothing is written over, and nobody else may read.
    assert!(clients.backup(&copy).unwrap_err().to_string().contains("isn't taken"));
    for file in fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[test]
fn stores_that_cannot_be_opened() {
    let dir = TempDir::new().unwrap();
    let refused = |result: Result<Clients, gateway::smart::OpenError>| result.err().unwrap().to_string();
    let key = StoreKey(zeroize::Zeroizing::new([7; 32]));
    let path = dir.path().join("encrypted.sqlite");
    assert!(refused(Clients::open(&path, Some(&key))).contains("can't encrypt"));
    assert!(!path.exists());
    assert!(refused(Clients::open(&dir.path().join("no/such/folder"), None)).contains("is the folder there"));
    let garbage = dir.path().join("garbage");
    std::fs::write(&garbage, "not a database, and long enough to be looked at as one".repeat(100)).unwrap();
    assert!(refused(Clients::open(&garbage, None)).contains("can't be opened"));
    drop(open(&dir));
    let newer = rusqlite::Connection::open(dir.path().join("accounts.sqlite")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    assert!(refused(Clients::open(&dir.path().join("accounts.sqlite"), None)).contains("format 99"));
}

#[test]
fn clients_that_are_refused() {
    let dir = TempDir::new().unwrap();
    let clients = open(&dir);
    let scopes = |text: &str| Scopes::parse(text).unwrap();
    let url = |text: &str| Keys::Url(text.to_owned());
    let good = || physician("a");
    let acts = |profile: &str| Principal::Practitioner {
        profile: profile.to_owned(),
        role: "physician".parse().unwrap(),
    };
    for (client, words) in [
        (Client { name: " ".to_owned(), ..good() }, "name"),
        (Client { name: "a\nb".to_owned(), ..good() }, "name"),
        (Client { name: "a".repeat(201), ..good() }, "name"),
        (Client { scopes: Scopes::default(), ..good() }, "at least one scope"),
        (Client { scopes: scopes("patient/*.rs"), ..good() }, "`patient/*.rs` can't be granted"),
        (Client { principal: Principal::System, ..good() }, "`user/Patient.r` can't be granted"),
        (Client { purposes: std::collections::BTreeSet::new(), ..good() }, "at least one purpose"),
        (Client { principal: acts("dr-adams"), ..good() }, "no profile name"),
        (Client { principal: acts("../x/y"), ..good() }, "no profile name"),
        (Client { keys: Keys::Inline("{}".to_owned()), ..good() }, "no JSON Web Key Set"),
        (Client { keys: Keys::Inline(r#"{"keys":[]}"#.to_owned()), ..good() }, "no key can be used"),
        (
            Client { keys: Keys::Inline(key_set().replacen("\"kty\"", "\"d\":\"AQ\",\"kty\"", 1)), ..good() },
            "private",
        ),
        (Client { keys: url("ftp://a.example/jwks"), ..good() }, "can't be the address"),
        (Client { keys: url("https://u:p@a.example/jwks"), ..good() }, "can't be the address"),
        (Client { keys: url("https://a.example/jwks#x"), ..good() }, "can't be the address"),
        (
            Client { keys: url(&format!("https://a.example/{}", "x".repeat(500))), ..good() },
            "can't be the address",
        ),
        (Client { keys: url("jwks"), ..good() }, "can't be the address"),
    ] {
        let error = clients.add(&client).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(clients.list().unwrap(), []);
    for id in ["", "a b", "a/b", "ä", &"a".repeat(65)] {
        assert!(id.parse::<ClientId>().is_err(), "{id}");
    }
    let by_url = Client {
        keys: url("https://a.example/jwks?v=1"),
        purposes: Purpose::ALL.iter().copied().collect(),
        created: START,
        ..good()
    };
    clients.add(&by_url).unwrap();
    assert_eq!(clients.list().unwrap(), [by_url]);
}
