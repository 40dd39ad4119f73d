//! The role of a page: publisher or subscriber, an MQTT client of its own with a web page.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use client::Options;
use pki::LoadedPair;
use pki::tls::ClientTls;
use services::{LoginLinks, PublisherConfig, ServiceError, SubscriberConfig, WebConfig};
use store::Retention;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::certificates::trusted_roots;
use crate::cli::Page;
use crate::config::{Config, Endpoint};
use crate::context::Context;
use crate::data_folder::{DataFolder, Running};
use crate::failure::Failure;
use crate::network::Binder;

/// A page that is bound, with everything it needs to run.
pub(crate) struct Start<'a> {
    pub(crate) page: Page,
    pub(crate) listener: TcpListener,
    pub(crate) pair: &'a LoadedPair,
    pub(crate) broker: Endpoint,
    /// The address of the other page, where it is known.
    pub(crate) other: Option<String>,
}

/// A page that runs.
pub(crate) struct RunningPage {
    /// The one-time login link.
    pub(crate) link: String,
    /// To show a renewed certificate from the next connection on.
    pub(crate) tls: Arc<ClientTls>,
    /// Told when requests are answered.
    pub(crate) ready: oneshot::Receiver<()>,
    /// Ends when the page does.
    pub(crate) task: JoinHandle<Result<(), ServiceError>>,
}

/// The settings that both pages have.
struct Settings<'a> {
    listen: SocketAddr,
    allow_remote: bool,
    hosts: &'a [String],
    url: Option<&'a str>,
    retention: Retention,
}

fn settings(config: &Config, page: Page) -> Settings<'_> {
    // The two sections are different types with the same words.
    macro_rules! of {
        ($section:expr) => {
            Settings {
                listen: $section.listen,
                allow_remote: $section.allow_remote,
                hosts: &$section.hosts,
                url: $section.url.as_deref(),
                retention: Retention {
                    max_age: $section.history_max_age.0,
                    max_bytes: $section.history_max_bytes.0,
                },
            }
        };
    }
    match page {
        Page::Publisher => of!(config.publisher),
        Page::Subscriber => of!(config.subscriber),
    }
}

/// Binds the page; `flag` is what would move it.
///
/// # Errors
/// If the address is open to others without consent.
pub(crate) fn bind(
    config: &Config,
    page: Page,
    binder: &mut Binder,
    flag: &str,
) -> Result<Option<TcpListener>, Failure> {
    let settings = settings(config, page);
    binder.bind_page(settings.listen, settings.allow_remote, page.name(), flag)
}

/// The address that links to `page` begin with, if it listens where it is configured to.
pub(crate) fn page_url(context: &Context, page: Page) -> String {
    let settings = settings(&context.config, page);
    url_at(&settings, settings.listen)
}

/// The address that links to a bound page begin with.
pub(crate) fn bound_url(context: &Context, page: Page, listener: &TcpListener) -> String {
    let settings = settings(&context.config, page);
    url_at(&settings, listener.local_addr().unwrap_or(settings.listen))
}

fn url_at(settings: &Settings<'_>, address: SocketAddr) -> String {
    match settings.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None if address.ip().is_loopback() || address.ip().is_unspecified() => {
            format!("http://localhost:{}", address.port())
        }
        None => format!("http://{address}"),
    }
}

/// Host names that browsers may ask for: those configured, and those of the page's own address.
fn allowed_hosts(settings: &Settings<'_>, address: SocketAddr) -> Vec<String> {
    let mut hosts = settings.hosts.to_vec();
    let own = url_at(settings, address);
    let authority = own.split("//").nth(1).unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    hosts.push(host.to_owned());
    // The health check asks for the address itself, whatever name people use.
    let own = match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    if !address.ip().is_unspecified() && !address.ip().is_loopback() && !hosts.contains(&own) {
        hosts.push(own);
    }
    hosts
}

/// Starts the page as a task.
///
/// # Errors
/// If trust or login links cannot be read or written.
pub(crate) fn start(
    context: &Context,
    start: Start<'_>,
    stop: CancellationToken,
) -> Result<RunningPage, Failure> {
    let data = DataFolder::at(&context.data_dir);
    let name = start.page.name();
    let settings = settings(&context.config, start.page);
    let address = start.listener.local_addr().unwrap_or(settings.listen);
    let url = url_at(&settings, address);

    let tls = Arc::new(ClientTls::new(Some(start.pair), &trusted_roots(&data)?)?);
    let links = LoginLinks::open(&data.role(name).join("login"))?;
    let link = format!("{url}/login?t={}", links.mint(SystemTime::now())?);
    let (told, ready) = oneshot::channel();
    let web = WebConfig {
        listener: start.listener,
        links,
        language: services::Language::from_tag(context.language.code()).unwrap_or_default(),
        allowed_hosts: allowed_hosts(&settings, address),
        link_command: format!("enviomq link {name}{}", context.data_dir_flag()),
        other_page: start.other,
        ready: Some(told),
    };
    let running = Running {
        address: url,
        health: crate::commands::reachable(address).to_string(),
        broker: Some(start.broker.to_string()),
    };
    running.write(&data, name)?;

    let client = options(start.page, &start.broker, &tls);
    let identity = start.pair.leaf().who().to_owned();
    let database = data.role(name).join(format!("{name}.db"));
    let retention = settings.retention;
    let config = &context.config;
    let task = match start.page {
        Page::Publisher => tokio::spawn(services::publisher::run(
            PublisherConfig {
                web,
                client,
                identity,
                database,
                retention,
                default_topic: config.publisher.topic.0.clone(),
                max_message_bytes: usize::try_from(config.publisher.message_max_bytes.0)
                    .unwrap_or(usize::MAX),
            },
            stop,
        )),
        Page::Subscriber => tokio::spawn(services::subscriber::run(
            SubscriberConfig {
                web,
                client,
                identity,
                database,
                retention,
                filters: config
                    .subscriber
                    .filters
                    .iter()
                    .map(|text| text.0.clone())
                    .collect(),
            },
            stop,
        )),
    };
    Ok(RunningPage {
        link,
        tls,
        ready,
        task,
    })
}

/// How the services connect: for good, and with a session that outlives a cut.
fn options(page: Page, broker: &Endpoint, tls: &ClientTls) -> Options {
    let mut options = Options::new(broker.host.clone(), broker.port, page.name());
    options.tls = Some(tls.config());
    // A day: long enough for a night without the broker, and what is in flight is not doubled.
    options.session_expiry_s = Duration::from_secs(86_400).as_secs() as u32;
    // The subscriber wants what came while it was away; the publisher begins anew, since
    // its unconfirmed rows are settled by a restart.
    options.clean_start = page == Page::Publisher;
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_be_asked_for_by_its_url_and_by_its_own_address() {
        let hosts = |listen: &str, url| {
            let listen: SocketAddr = listen.parse().unwrap();
            let settings = Settings {
                listen,
                allow_remote: true,
                hosts: &[],
                url,
                retention: Retention::default(),
            };
            allowed_hosts(&settings, listen)
        };
        let url = Some("https://aula.example/envio");
        assert_eq!(
            hosts("192.0.2.7:8000", url),
            ["aula.example", "192.0.2.7"],
            "the health check asks for the address it listens on"
        );
        assert_eq!(
            hosts("[2001:db8::7]:80", url),
            ["aula.example", "[2001:db8::7]"]
        );
        assert_eq!(hosts("192.0.2.7:8000", None), ["192.0.2.7"]);
        assert_eq!(hosts("0.0.0.0:8000", url), ["aula.example"]);
    }
}
