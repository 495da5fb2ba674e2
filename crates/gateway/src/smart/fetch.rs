//! This file is where a client's key set is fetched: from the address that was checked and no other, over TLS, without
//! following anybody elsewhere, in bounded time and size.

use super::{
    jwks::{KEY_SET_BYTES_MAX, KeySet, KeySetError},
    reach::{Reach, ReachError, Target},
};
use axum::body::Body;
use futures::{FutureExt as _, future::BoxFuture};
use http_body_util::{BodyExt as _, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::Url;

/// How long all of it may take.
const WITHIN: Duration = Duration::from_secs(10);
/// How long one address may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// Most addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 8;

/// A key set isn't there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It may not be called.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// The name isn't known.
    #[error("the host of the key set can't be resolved")]
    Resolve(#[source] io::Error),
    /// Nobody answers.
    #[error("the host of the key set can't be reached")]
    Connect(#[source] io::Error),
    /// What is said isn't HTTP.
    #[error("the host of the key set speaks no HTTP")]
    Http(#[source] hyper::Error),
    /// Another status than 200; redirects aren't followed.
    #[error("the host of the key set answers {0}; it must be 200, without a redirect")]
    Status(StatusCode),
    /// Too long, or it broke off.
    #[error("the key set is longer than {KEY_SET_BYTES_MAX} bytes, or broke off")]
    Body,
    /// Too slow.
    #[error("the host of the key set took longer than {} s", WITHIN.as_secs())]
    Slow,
    /// It isn't a key set.
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

/// A certificate authority's file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// Unreadable.
    #[error("the certificates in `{}` can't be read: {reason}; they must be PEM", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// TLS itself.
    #[error("TLS can't be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Asks where a name lies; tests bring their own answers.
pub(super) trait Resolve: Send + Sync {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'_, io::Result<Vec<IpAddr>>>;
}

/// Asks the machine.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        async move { Ok(lookup_host((host, port)).await?.map(|address| address.ip()).collect()) }.boxed()
    }
}

/// Fetches key sets.
pub(super) struct Fetcher {
    reach: Reach,
    tls: Arc<ClientConfig>,
    resolver: Box<dyn Resolve>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Fetcher {
    /// A fetcher that trusts the machine's certificate authorities, and those in the PEM files `roots`.
    pub(super) fn new(
        reach: Reach,
        roots: &[PathBuf],
        resolver: Box<dyn Resolve>,
    ) -> Result<Self, RootsError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for path in roots {
            let error = |reason: String| RootsError::File { path: path.clone(), reason };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|e| error(e.to_string()))? {
                store
                    .add(certificate.map_err(|e| error(e.to_string()))?)
                    .map_err(|e| error(e.to_string()))?;
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self { reach, tls: Arc::new(tls), resolver })
    }

    /// Fetches the key set at `url`.
    pub(super) async fn fetch(&self, url: &str) -> Result<KeySet, FetchError> {
        let url = Url::parse(url).map_err(|_| ReachError::Form)?;
        let target = self.reach.target(&url)?;
        timeout(WITHIN, self.get(&target)).await.map_err(|_| FetchError::Slow)?
    }

    async fn get(&self, target: &Target) -> Result<KeySet, FetchError> {
        let stream = self.connect(target).await?;
        let (mut sender, connection) =
            http1::handshake::<_, Body>(TokioIo::new(stream)).await.map_err(FetchError::Http)?;
        let request = Request::get(&target.path)
            .header(header::HOST, &target.authority)
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .header(header::USER_AGENT, "horkos-gateway")
            .body(Body::empty())
            .map_err(|_| ReachError::Form)?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(FetchError::Http)?;
            if response.status() != StatusCode::OK {
                return Err(FetchError::Status(response.status()));
            }
            let body = Limited::new(response.into_body(), KEY_SET_BYTES_MAX).collect().await;
            Ok(KeySet::parse(&body.map_err(|_| FetchError::Body)?.to_bytes())?)
        };
        // The connection is driven here and dropped with the answer: nothing of it lives on.
        tokio::pin!(exchange);
        let mut connection = std::pin::pin!(connection.fuse());
        loop {
            tokio::select! {
                done = &mut exchange => return done,
                ended = &mut connection, if !futures::future::FusedFuture::is_terminated(&*connection) => {
                    // What arrived before the end may still be read; the exchange knows whether it was enough.
                    drop(ended);
                }
            }
        }
    }

    async fn connect(&self, target: &Target) -> Result<Box<dyn Stream>, FetchError> {
        let addresses = match target.literal {
            Some(address) => vec![address],
            None => self.resolver.resolve(&target.host, target.port).await.map_err(FetchError::Resolve)?,
        };
        // One bad address condemns the name: whoever answers so is trying something.
        for address in &addresses {
            self.reach.check(target, *address)?;
        }
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            // The very address that was checked: the name isn't resolved again.
            let stream = match timeout(
                CONNECT_WITHIN,
                TcpStream::connect(SocketAddr::new(address, target.port)),
            )
            .await
            {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    last = error;
                    continue;
                }
                Err(_) => {
                    last = io::ErrorKind::TimedOut.into();
                    continue;
                }
            };
            if !target.encrypted {
                return Ok(Box::new(stream));
            }
            let name = ServerName::try_from(target.host.clone()).map_err(|_| ReachError::Form)?;
            let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
            return Ok(Box::new(tls.map_err(FetchError::Connect)?));
        }
        Err(FetchError::Connect(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    /// A name server that says what it is told to.
    struct Says(Vec<IpAddr>);

    impl Resolve for Says {
        fn resolve(&self, _: &str, _: u16) -> BoxFuture<'_, io::Result<Vec<IpAddr>>> {
            let addresses = self.0.clone();
            async move { Ok(addresses) }.boxed()
        }
    }

    fn fetcher(loopback: bool, addresses: &[&str]) -> Fetcher {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let reach = Reach { loopback, ..Reach::default() };
        Fetcher::new(reach, &[], Box::new(Says(addresses))).unwrap()
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("https://app.example:{port}/jwks");
        // One good address among bad ones helps nothing, in whichever place.
        for addresses in [["127.0.0.1", "8.8.8.8"], ["8.8.8.8", "127.0.0.1"], ["10.0.0.1", "fe80::1"]] {
            let result = fetcher(false, &addresses).fetch(&url).await;
            assert!(matches!(result, Err(FetchError::Reach(ReachError::Address(_)))), "{addresses:?}");
        }
        let nowhere = fetcher(false, &[]).fetch(&url).await;
        assert!(matches!(nowhere, Err(FetchError::Connect(_))));
        // Nobody knocked.
        let knocked = listener.accept().now_or_never();
        assert!(knocked.is_none());
    }

    #[tokio::test]
    async fn the_checked_address_is_called_by_its_name() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream
                .write_all(b"HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 0\r\n\r\n")
                .await
                .unwrap();
            String::from_utf8(head).unwrap()
        });
        let result = fetcher(true, &["127.0.0.1"]).fetch(&format!("http://app.example:{port}/a?b=c")).await;
        assert!(matches!(result, Err(FetchError::Status(StatusCode::FOUND))));
        let head = served.await.unwrap();
        assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("host: app.example:{port}\r\n")), "{head}");
    }
}
