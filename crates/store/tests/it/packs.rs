//! Packs in a directory and in an S3-compatible store, by the same test.

use crate::common::files;
use bytes::Bytes;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use primitives::{Hash, Millis, PackRoot};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use std::{collections::BTreeMap, path::Path};
use store::{PackError, Packs, Part};

fn root(n: u8) -> PackRoot {
    PackRoot(Hash([n; 32]))
}

/// Serves `dir` as S3 on a free port of this machine; its folders are the buckets.
async fn serve_s3(dir: &Path) -> BTreeMap<String, String> {
    std::fs::create_dir_all(dir.join("packs")).unwrap();
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir).unwrap());
    service.set_auth(SimpleAuth::from_single("access", "secret"));
    let service = service.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let service = service.clone();
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    BTreeMap::from([
        option("endpoint", &endpoint),
        option("allow_http", "true"),
        option("region", "test"),
        option("access_key_id", "access"),
        option("secret_access_key", "secret"),
    ])
}

async fn check(packs: &Packs, stored: &Path) {
    let (ct, r) = (Part::Ciphertext, Part::Random);
    let sealed: Bytes = (0..20_000_u32).map(|n| (n % 251) as u8 | 1).collect();
    let random: Bytes = vec![0xA5; 96].into();

    // Absent.
    assert!(!packs.has(&root(1)).await.unwrap());
    assert_eq!(packs.get(&root(1), ct).await.unwrap(), None);
    assert_eq!(packs.get_range(&root(1), ct, 0..4).await.unwrap(), None);
    assert!(!packs.erase(&root(1), r, std::slice::from_ref(&(0..4))).await.unwrap());
    packs.delete(&root(1)).await.unwrap();

    // Put, once more, and read.
    for _ in 0..2 {
        packs.put(&root(1), sealed.clone(), random.clone(), None).await.unwrap();
    }
    packs.put(&root(2), Bytes::new(), random.clone(), Some(Millis(500))).await.unwrap();
    packs.put(&root(3), sealed.clone(), random.clone(), Some(Millis(500))).await.unwrap();
    assert_eq!(packs.list().await.unwrap(), [root(1), root(2), root(3)]);
    assert!(packs.has(&root(1)).await.unwrap());
    assert_eq!(packs.size(&root(1), ct).await.unwrap(), Some(20_000));
    assert_eq!(packs.size(&root(2), ct).await.unwrap(), Some(0));
    assert_eq!(packs.get(&root(1), ct).await.unwrap(), Some(sealed.clone()));
    assert_eq!(packs.get_range(&root(1), ct, 7..4_099).await.unwrap(), Some(sealed.slice(7..4_099)));
    assert_eq!(packs.get_range(&root(1), ct, 9..9).await.unwrap(), Some(Bytes::new()));
    let beyond = packs.get_range(&root(1), ct, 19_999..20_001).await;
    assert!(matches!(beyond, Err(PackError::Range { size: 20_000, .. })));
    assert!(packs.get_checked(&root(1), r, |bytes| bytes == random).await.unwrap().is_some());
    let wrong = packs.get_checked(&root(1), r, |bytes| bytes.is_empty()).await;
    assert!(matches!(wrong, Err(PackError::Damaged(damaged)) if damaged == root(1)));

    // Erase two records' bytes: gone from every file, and all others where they were.
    for _ in 0..2 {
        assert!(packs.erase(&root(1), r, &[0..32, 64..96]).await.unwrap());
    }
    let left = packs.get(&root(1), r).await.unwrap().unwrap();
    assert_eq!(left, [vec![0; 32], vec![0xA5; 32], vec![0; 32]].concat());
    assert!(packs.erase(&root(1), ct, &[0..5_000, 5_000..20_000]).await.unwrap());
    packs.delete(&root(3)).await.unwrap();
    let part = &sealed[..64];
    for (path, bytes) in files(stored) {
        assert!(!bytes.windows(64).any(|window| window == part), "still in {}", path.display());
    }
    assert!(matches!(
        packs.erase(&root(1), r, std::slice::from_ref(&(90..97))).await,
        Err(PackError::Range { .. })
    ));

    // Promises: kept to their last millisecond, forgotten once committed.
    packs.put(&root(4), sealed.clone(), random.clone(), Some(Millis(500))).await.unwrap();
    packs.committed(&root(4)).await.unwrap();
    assert_eq!(packs.drop_expired(Millis(500)).await.unwrap(), []);
    assert_eq!(packs.drop_expired(Millis(501)).await.unwrap(), [root(2)]);
    assert_eq!(packs.drop_expired(Millis(u64::MAX)).await.unwrap(), []);
    assert_eq!(packs.list().await.unwrap(), [root(1), root(4)]);
}

#[tokio::test]
async fn a_directory_keeps_packs() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("packs");
    check(&Packs::open(place.to_str().unwrap(), &BTreeMap::new()).unwrap(), dir.path()).await;

    // What a crash left half written is gone after opening; what was whole stays.
    let half = place.join("04").join(format!("{}.r.new", root(4)));
    std::fs::write(&half, b"half").unwrap();
    let url = format!("file://{}", place.display());
    let packs = Packs::open(&url, &BTreeMap::new()).unwrap();
    assert!(!half.exists());
    assert!(packs.has(&root(4)).await.unwrap());
}

#[tokio::test]
async fn an_s3_bucket_keeps_packs() {
    let dir = tempfile::tempdir().unwrap();
    let options = serve_s3(dir.path()).await;
    check(&Packs::open("s3://packs/of/this/node", &options).unwrap(), dir.path()).await;

    let mut strangers = options.clone();
    strangers.insert("secret_access_key".into(), "guessed".into());
    let packs = Packs::open("s3://packs/of/this/node", &strangers).unwrap();
    assert!(matches!(packs.get(&root(4), Part::Random).await, Err(PackError::Remote(_))));
}

#[test]
fn unknown_places_are_refused_in_words() {
    let refused = |place: &str, name: &str| {
        let options = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        Packs::open(place, &options).map(drop).unwrap_err().to_string()
    };
    assert!(refused("ftp://host/packs", "region").contains("the scheme is unknown"));
    assert!(refused("s3://bucket", "colour").contains("colour"));
    assert!(refused("s3://", "region").contains("bucket"));
}
