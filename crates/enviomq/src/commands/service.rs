//! `enviomq publisher` and `enviomq subscriber`: one page alone, as its container runs it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pki::tls::ClientTls;
use pki::{Generations, LoadedPair, PkiError};
use tokio_util::sync::CancellationToken;

use super::Outcome;
use super::up::page_ended;
use crate::certificates::Change;
use crate::cli::{Page, ServiceArgs};
use crate::config::Endpoint;
use crate::context::Context;
use crate::data_folder::DataFolder;
use crate::enrolment::{Enrolment, enrol, renew_over_network};
use crate::failure::{Exit, Failure};
use crate::network::Binder;
use crate::roles::page;
use crate::{output, shutdown};

/// The port of the enrolment listener, where nothing else is configured.
const ENROL_PORT: u16 = 8884;

pub(crate) async fn publisher(context: &Context, arguments: &ServiceArgs) -> Outcome {
    let config = &context.config.publisher;
    let enrol = config.enroll.clone();
    run(
        context,
        arguments,
        Page::Publisher,
        config.broker.clone(),
        enrol,
    )
    .await
}

pub(crate) async fn subscriber(context: &Context, arguments: &ServiceArgs) -> Outcome {
    let config = &context.config.subscriber;
    let enrol = config.enroll.clone();
    run(
        context,
        arguments,
        Page::Subscriber,
        config.broker.clone(),
        enrol,
    )
    .await
}

async fn run(
    context: &Context,
    arguments: &ServiceArgs,
    page: Page,
    broker: Endpoint,
    enrol: Option<Endpoint>,
) -> Outcome {
    let stop = shutdown::on_signal().map_err(|error| Failure::new("ENV-P803").because(error))?;
    let name = page.name();
    let data = DataFolder::at(&context.data_dir);
    let _claim = data.claim(name)?;
    let mut binder = Binder::new(format!("enviomq {name}{}", context.data_dir_flag()));
    let listener = page::bind(&context.config, page, &mut binder, "--listen")?;
    binder.finish()?;
    let listener = listener.expect("invariant: the binder explains whatever it did not bind");
    let enrol = enrol.unwrap_or_else(|| Endpoint {
        host: broker.host.clone(),
        port: ENROL_PORT,
    });
    let Some(pair) = identity(context, &data, arguments, page, &enrol, &stop).await? else {
        return Ok(Exit::Ok); // told to stop while it waited
    };

    let start = page::Start {
        page,
        listener,
        pair: &pair,
        broker,
        other: None,
    };
    let mut running = page::start(context, start, stop.child_token())?;
    tokio::spawn(renew(data, name, enrol, running.tls.clone(), stop.clone()));
    if let Some(Ok(())) = stop.run_until_cancelled(&mut running.ready).await {
        announce(context, page, &running.link)?;
    }
    let ended = tokio::select! {
        ended = &mut running.task => Some(ended),
        () = stop.cancelled() => None,
    };
    match ended {
        Some(_) if stop.is_cancelled() => Ok(Exit::Ok),
        Some(ended) => Err(page_ended(name, ended)),
        None => match running.task.await {
            Ok(Ok(())) => Ok(Exit::Ok),
            ended => Err(page_ended(name, ended)),
        },
    }
}

/// The identity on disk, or one that is enrolled for now; `None` if told to stop meanwhile.
async fn identity(
    context: &Context,
    data: &DataFolder,
    arguments: &ServiceArgs,
    page: Page,
    endpoint: &Endpoint,
    stop: &CancellationToken,
) -> Result<Option<LoadedPair>, Failure> {
    let name = page.name();
    let generations = Generations::at(data.identity(name));
    if generations.exists() {
        match (generations.load(SystemTime::now()), &arguments.join) {
            (Ok(pair), _) => return Ok(Some(pair)),
            // Off for longer than its certificate lived: a new token may be waiting.
            (Err(PkiError::Expired { .. }), Some(_)) => {
                tracing::warn!(
                    identity = name,
                    "the certificate has expired; enrolling again"
                );
            }
            (Err(error), _) => return Err(error.into()),
        }
    }
    let Some(token_file) = &arguments.join else {
        return Err(Failure::new("ENV-J710")
            .with("name", name)
            .with("folder", context.data_dir.display())
            .mend(format!("enviomq {name} --join FILE")));
    };
    let enrolment = Enrolment {
        data,
        name,
        token_file,
        endpoint,
    };
    enrol(&enrolment, stop).await
}

/// Asks the broker every hour for a successor once the certificate is old enough.
async fn renew(
    data: DataFolder,
    name: &'static str,
    endpoint: Endpoint,
    tls: Arc<ClientTls>,
    stop: CancellationToken,
) {
    let mut hour = tokio::time::interval(Duration::from_secs(3_600));
    while stop.run_until_cancelled(hour.tick()).await.is_some() {
        let renewed = renew_over_network(&data, name, &endpoint).await;
        let reloaded = renewed.and_then(|pair| match pair {
            Some(pair) => tls
                .reload(&pair)
                .map(|()| Change::Renewed)
                .map_err(Failure::from),
            None => Ok(Change::Kept),
        });
        match reloaded {
            Ok(Change::Kept) => tracing::debug!(identity = name, "certificate is fresh"),
            Ok(_) => tracing::info!(identity = name, "certificate renewed"),
            Err(failure) => {
                let reason = failure.what(crate::language::Language::English);
                tracing::error!(
                    identity = name,
                    code = failure.code(),
                    reason,
                    "not renewed"
                );
            }
        }
    }
}

fn announce(context: &Context, page: Page, link: &str) -> Result<(), Failure> {
    if context.json {
        return output::line(&serde_json::json!({ "ready": true, "link": link }).to_string());
    }
    let key = match page {
        Page::Publisher => "up.publisher",
        Page::Subscriber => "up.subscriber",
    };
    output::line(&context.say(key, &[("link", &link)]))
}
