//! `enviomq up`: everything in one process, proven to work before it is announced as ready.

mod announce;

use std::net::TcpListener;
use std::sync::Arc;

use pki::Authority;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Outcome;
use crate::certificates::{self, Change, Ready};
use crate::cli::Page;
use crate::context::Context;
use crate::data_folder::{Claim, DataFolder};
use crate::failure::{Exit, Failure};
use crate::network::{Binder, Takes};
use crate::roles::broker::{self, Listeners, RunningBroker};
use crate::roles::page::{self, RunningPage};
use crate::self_test::{System, message_passes, strangers_are_refused};
use crate::{shutdown, telemetry};
use announce::Announcement;

pub(crate) async fn run(context: &Context) -> Outcome {
    let stop = shutdown::on_signal().map_err(|error| Failure::new("ENV-P803").because(error))?;
    let hold = telemetry::hold_on_terminal();
    let ground = Ground::take(context)?;
    let certificates = Certificates::gather(context, &ground.data)?;
    let mut announcement = Announcement::new(context, &certificates);
    announcement.begin(&certificates)?;

    let Ground {
        data,
        claims,
        listeners,
        publisher: publisher_listener,
        subscriber: subscriber_listener,
    } = ground;
    let authority = certificates.authority.clone();
    let broker = broker::start(context, listeners, authority, &certificates.server.pair)?;
    announcement.serving(&broker.endpoint, &certificates)?;
    prove(&data, &broker, &certificates, &mut announcement).await?;

    let start = |page, listener, ready: &Ready, other| {
        let start = page::Start {
            page,
            listener,
            pair: &ready.pair,
            broker: broker.endpoint.clone(),
            other: Some(other),
        };
        page::start(context, start, stop.child_token())
    };
    let publisher_url = page::bound_url(context, Page::Publisher, &publisher_listener);
    let subscriber_url = page::bound_url(context, Page::Subscriber, &subscriber_listener);
    let subscriber = start(
        Page::Subscriber,
        subscriber_listener,
        &certificates.subscriber,
        publisher_url,
    )?;
    let publisher = start(
        Page::Publisher,
        publisher_listener,
        &certificates.publisher,
        subscriber_url,
    )?;
    let system = Everything {
        broker,
        publisher,
        subscriber,
        stop,
    };
    system.renew_certificates(&data, &certificates.authority);
    let ended = system.run(announcement, hold).await;
    drop(claims);
    ended
}

/// What `up` stands on: the data folder for itself, and every port.
struct Ground {
    data: DataFolder,
    claims: [Claim; 3],
    listeners: Listeners,
    publisher: TcpListener,
    subscriber: TcpListener,
}

impl Ground {
    /// Takes all of it or, with a failure, nothing.
    fn take(context: &Context) -> Result<Self, Failure> {
        let data = DataFolder::at(&context.data_dir);
        let claims = [
            data.claim("broker")?,
            data.claim("publisher")?,
            data.claim("subscriber")?,
        ];
        let mut binder = Binder::new(format!("enviomq up{}", context.data_dir_flag()));
        let config = &context.config;
        let listeners = Listeners::bind(config, &mut binder, "--port", Takes::Port);
        let publisher = page::bind(config, Page::Publisher, &mut binder, "--publisher-listen")?;
        let subscriber = page::bind(config, Page::Subscriber, &mut binder, "--subscriber-listen")?;
        binder.finish()?;
        let bound = listeners.zip(publisher).zip(subscriber);
        let ((listeners, publisher), subscriber) =
            bound.expect("invariant: the binder explains whatever it did not bind");
        Ok(Self {
            data,
            claims,
            listeners,
            publisher,
            subscriber,
        })
    }
}

/// Every certificate of this machine, made or renewed.
struct Certificates {
    authority: Arc<Authority>,
    authority_change: Change,
    server: Ready,
    publisher: Ready,
    subscriber: Ready,
}

impl Certificates {
    fn gather(context: &Context, data: &DataFolder) -> Result<Self, Failure> {
        let config = &context.config;
        let (authority, authority_change) = certificates::authority(data, &config.authority.name)?;
        Ok(Self {
            server: certificates::server(data, &authority, &config.broker.names)?,
            publisher: certificates::service(data, &authority, "publisher")?,
            subscriber: certificates::service(data, &authority, "subscriber")?,
            authority: Arc::new(authority),
            authority_change,
        })
    }
}

/// Both self-tests; the broker is stopped again if one fails.
async fn prove(
    data: &DataFolder,
    broker: &RunningBroker,
    certificates: &Certificates,
    announcement: &mut Announcement<'_>,
) -> Result<(), Failure> {
    let system = System {
        data,
        broker: &broker.endpoint,
        roots: certificates.authority.trust_roots(),
        server: &certificates.server.pair,
        publisher: &certificates.publisher.pair,
        subscriber: &certificates.subscriber.pair,
    };
    announcement.passed(message_passes(&system).await?)?;
    strangers_are_refused(&system).await?;
    announcement.refused()
}

/// The whole system while it runs.
struct Everything {
    broker: RunningBroker,
    publisher: RunningPage,
    subscriber: RunningPage,
    stop: CancellationToken,
}

impl Everything {
    /// Renews the two identities every hour if they need it; the broker sees to its own.
    fn renew_certificates(&self, data: &DataFolder, authority: &Arc<Authority>) {
        let pages = [
            ("publisher", &self.publisher),
            ("subscriber", &self.subscriber),
        ];
        for (name, page) in pages {
            let (data, authority, tls) = (data.clone(), authority.clone(), page.tls.clone());
            let renew = move || {
                let ready = certificates::service(&data, &authority, name)?;
                if ready.change != Change::Kept {
                    tls.reload(&ready.pair)?;
                }
                Ok(ready.change)
            };
            tokio::spawn(certificates::every_hour(name, self.stop.clone(), renew));
        }
    }

    /// Announces what runs, and runs until a signal or until a page ends by itself.
    async fn run(self, announcement: Announcement<'_>, hold: Option<telemetry::Hold>) -> Outcome {
        let Self {
            broker,
            mut publisher,
            mut subscriber,
            stop,
        } = self;
        let answered = both_answer(publisher.ready, subscriber.ready);
        let announced = match stop.run_until_cancelled(answered).await {
            Some(true) => announcement.ready(&publisher.link, &subscriber.link),
            // Told to stop, or a page has ended before it answered; why is told below.
            Some(false) | None => Ok(()),
        };
        drop(hold);
        let ended = match announced {
            Ok(()) => tokio::select! {
                ended = &mut publisher.task => Some(page_ended("publisher", ended)),
                ended = &mut subscriber.task => Some(page_ended("subscriber", ended)),
                () = stop.cancelled() => None,
            },
            Err(failure) => Some(failure),
        };
        // Pages first: what they are still sending needs the broker's answer.
        stop.cancel();
        for task in [publisher.task, subscriber.task] {
            if !task.is_finished() {
                let _ = task.await;
            }
        }
        broker.stop().await;
        match ended {
            None => Ok(Exit::Ok),
            Some(failure) => Err(failure),
        }
    }
}

/// Whether both pages have come to answer requests.
async fn both_answer(publisher: oneshot::Receiver<()>, subscriber: oneshot::Receiver<()>) -> bool {
    tokio::try_join!(publisher, subscriber).is_ok()
}

/// Why a page that should run for ever does not.
pub(super) fn page_ended(
    name: &str,
    ended: Result<Result<(), services::ServiceError>, tokio::task::JoinError>,
) -> Failure {
    match ended {
        Ok(Err(error)) => Failure::from(error),
        Ok(Ok(())) => Failure::new("ENV-P805").because(name),
        Err(error) => Failure::new("ENV-P805").because(format!("{name}: {error}")),
    }
}
