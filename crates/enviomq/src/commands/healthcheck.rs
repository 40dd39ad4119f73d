//! `enviomq healthcheck`: asks a running role whether it is ready; for images without curl.

use std::net::SocketAddr;

use hyper::{Method, StatusCode};
use tokio::net::TcpStream;

use super::Outcome;
use crate::cli::Role;
use crate::context::Context;
use crate::data_folder::{DataFolder, Running};
use crate::failure::{Exit, Failure};
use crate::network::request;
use crate::output;

pub(crate) async fn run(context: &Context, role: Role) -> Outcome {
    let config = &context.config;
    let (name, configured) = match role {
        Role::Broker => ("broker", config.broker.health_listen),
        Role::Publisher => ("publisher", config.publisher.listen),
        Role::Subscriber => ("subscriber", config.subscriber.listen),
    };
    // The role may have been started with flags that this command does not have.
    let address = Running::read(&DataFolder::at(&context.data_dir), name).map_or_else(
        || reachable(configured).to_string(),
        |running| running.health,
    );
    let failed = |reason: String| {
        Failure::new("ENV-H901")
            .with("role", name)
            .with("address", &address)
            .because(reason)
            .mend(format!("enviomq {name}"))
    };
    let ask = async {
        let stream = TcpStream::connect(&address).await?;
        request(stream, &address, Method::GET, "/readyz", String::new()).await
    };
    let answer = ask.await.map_err(|error| failed(error.to_string()))?;
    if answer.status != StatusCode::OK {
        let body = String::from_utf8_lossy(&answer.body);
        return Err(failed(format!("{} {}", answer.status, body.trim())));
    }
    if context.json {
        output::line(&serde_json::json!({ "role": name, "ready": true }).to_string())?;
    } else {
        output::line(&context.say("healthcheck.ready", &[("role", &name)]))?;
    }
    Ok(Exit::Ok)
}

/// The loopback, where a listener on every address answers too.
pub(crate) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
