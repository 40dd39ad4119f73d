//! The broker under measurement: our broker alone, on a free port of the loopback.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use broker::{AccessPolicy, Broker, BrokerConfig, ListenerKind, Parts};
use clap::Args;
use pki::Authority;
use pki::tls::ServerTls;
use tokio::net::TcpListener;

use super::subject::{Materials, not_started};
use crate::commands::Outcome;
use crate::failure::{Exit, Failure};
use crate::{output, shutdown};

/// Hidden: the bench starts itself with it.
#[derive(Debug, Args)]
pub(crate) struct BenchBrokerArgs {
    /// The folder with authority and server certificate; none: plain TCP.
    #[arg(long)]
    pub(crate) materials: Option<PathBuf>,
}

/// Serves until a signal; its first line of output is its address.
pub(crate) async fn run(arguments: &BenchBrokerArgs) -> Outcome {
    let stop = shutdown::on_signal().map_err(not_started)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(not_started)?;
    let (tls, kind) = match &arguments.materials {
        Some(folder) => (Some(server_tls(folder)?), ListenerKind::MutualTls),
        None => (None, ListenerKind::PlainLoopback),
    };
    let parts = Parts {
        tls,
        access: Arc::new(AccessPolicy::classroom()),
        listeners: vec![(listener, kind)],
    };
    let broker = Broker::start(BrokerConfig::default(), parts).map_err(not_started)?;
    output::line(&broker.local_addresses()[0].to_string())?;
    stop.cancelled().await;
    broker.shutdown().await;
    Ok(Exit::Ok)
}

fn server_tls(folder: &Path) -> Result<Arc<ServerTls>, Failure> {
    let now = SystemTime::now();
    let authority = Authority::open(&folder.join("pki"), now)?;
    let pair = Materials::server(folder).load(now)?;
    Ok(Arc::new(ServerTls::new(&pair, authority.trust_roots())?))
}
