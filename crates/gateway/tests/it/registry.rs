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
    assert!(refused(Clients::open(&dir.path().join("no/such/folder"), None)).contains("is the folder there"));
    let garbage = dir.path().join("garbage");
    std::fs::write(&garbage, "not a database, and long enough to be looked at as one".repeat(100)).unwrap();
    assert!(refused(Clients::open(&garbage, None)).contains("can't be opened"));
    drop(open(&dir));
    let newer = rusqlite::Connection::open(dir.path().join("accounts.sqlite")).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    assert!(refused(Clients::open(&dir.path().join("accounts.sqlite"), None)).contains("format 99"));
}

fn key(byte: u8) -> StoreKey {
    StoreKey(zeroize::Zeroizing::new([byte; 32]))
}

/// Whether one of the folder's files, copies and logs among them, says this.
fn said(dir: &TempDir, words: &str) -> bool {
    let files = fs::read_dir(dir.path()).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(words.len()).any(|window| window == words.as_bytes()))
}

#[test]
fn with_a_key_nothing_is_readable_at_rest() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("accounts.sqlite");
    let name = physician("a").name;
    let clients = Clients::open(&path, Some(&key(7))).unwrap();
    clients.add(&physician("a")).unwrap();
    let copy = dir.path().join("copy.sqlite");
    clients.backup(&copy).unwrap();
    assert!(!said(&dir, &name) && !said(&dir, "SQLite format 3"));
    drop(clients);
    for path in [&path, &copy] {
        let refused = |key: Option<&StoreKey>| Clients::open(path, key).err().unwrap().to_string();
        assert!(refused(Some(&key(8))).contains("with this gateway's key"), "{}", refused(Some(&key(8))));
        assert!(refused(None).contains("can't be opened"));
        assert_eq!(Clients::open(path, Some(&key(7))).unwrap().list().unwrap(), [physician("a")]);
    }
    let garbage = dir.path().join("garbage");
    fs::write(&garbage, "no database, and longer than a page".repeat(500)).unwrap();
    let before = fs::read(&garbage).unwrap();
    assert!(Clients::open(&garbage, Some(&key(7))).is_err());
    assert_eq!(fs::read(&garbage).unwrap(), before, "what can't be read is left alone");
}

#[test]
fn a_plain_store_is_encrypted_when_it_is_opened_with_a_key() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("accounts.sqlite");
    let name = physician("a").name;
    let plain = open(&dir);
    plain.add(&physician("a")).unwrap();
    plain.add(&system("b")).unwrap();
    assert!(said(&dir, &name));
    // Not while somebody has it open: she would go on writing into the plain one.
    let refused = Clients::open(&path, Some(&key(7))).err().unwrap().to_string();
    assert!(refused.contains("another program has it open"), "{refused}");
    plain.add(&physician("c")).unwrap();
    drop(plain);
    // One that was begun before a power cut is begun anew.
    fs::write(dir.path().join("accounts.sqlite.encrypting"), "half").unwrap();
    let all = [physician("a"), system("b"), physician("c")];
    for _ in 0..2 {
        let clients = Clients::open(&path, Some(&key(7))).unwrap();
        assert_eq!(clients.list().unwrap(), all);
        assert!(!said(&dir, &name), "readable still");
        clients.set_enabled(&"a".parse().unwrap(), true).unwrap();
    }
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["accounts.sqlite"], "nothing is left behind");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(Clients::open(&path, None).is_err());
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
