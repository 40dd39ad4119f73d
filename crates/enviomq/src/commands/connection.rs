//! Whom `pub` and `sub` connect to, as whom; and what a failed connection means.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use client::{ClientError, Options};
use mqtt::ProtocolVersion;
use pki::tls::ClientTls;
use pki::{Generations, Identity, LoadedPair, PkiError};

use crate::certificates::trusted_roots;
use crate::cli::{ConnectArgs, Page, Protocol};
use crate::config::{Endpoint, Raw, Setting as _, Source};
use crate::context::Context;
use crate::data_folder::{DataFolder, Running};
use crate::failure::{Exit, Failure};

/// A connection about to be made.
pub(super) struct Connection {
    pub(super) options: Options,
    pub(super) identity: String,
    tls: Arc<ClientTls>,
}

impl Connection {
    /// Gathers certificate, trust and address; where nothing is said, those of `page`.
    pub(super) fn prepare(
        context: &Context,
        arguments: &ConnectArgs,
        page: Page,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let data = DataFolder::at(&context.data_dir);
        let pair = load_pair(context, &data, arguments, page.name())?;
        let identity = match pair.chain().first().map(Identity::from_certificate) {
            Some(Ok(identity)) => identity.name,
            // The broker will say what it thinks of such a certificate.
            _ => pair.leaf().who().to_owned(),
        };
        let roots = match &arguments.ca {
            Some(file) => pki::read_certificates(file)?,
            None => trusted_roots(&data)?,
        };
        let tls = Arc::new(ClientTls::new(Some(&pair), &roots).map_err(unfit)?);
        let endpoint = endpoint(context, &data, arguments, page);
        let client_id = format!("enviomq-cli-{:08x}", fastrand::u32(..));
        let mut options = Options::new(endpoint.host, endpoint.port, client_id);
        options.version = match arguments.protocol {
            Protocol::V3_1_1 => ProtocolVersion::V3_1_1,
            Protocol::V5 => ProtocolVersion::V5,
        };
        options.tls = Some(tls.config());
        options.connect_timeout = timeout;
        options.reconnect = None;
        Ok(Self {
            options,
            identity,
            tls,
        })
    }

    /// What a person should know about `error`.
    pub(super) fn explain(&self, error: &ClientError) -> Failure {
        explain(&self.tls, &self.options.host, error)
    }
}

/// Explains a client's error; certificates are explained with what was seen of them.
pub(crate) fn explain(tls: &ClientTls, host: &str, error: &ClientError) -> Failure {
    if let ClientError::Tls { error, .. } = error {
        return Failure::from(tls.explain(error, host));
    }
    let exit = if error.is_refusal() {
        Exit::RefusedByPolicy
    } else {
        Exit::Failed
    };
    let failure = Failure::new(error.code()).because(error).exit(exit);
    match error {
        // The question to ask is about this very name.
        ClientError::NameNotFound { .. } => failure.mend(format!("getent hosts {host}")),
        _ => failure,
    }
}

fn load_pair(
    context: &Context,
    data: &DataFolder,
    arguments: &ConnectArgs,
    default_identity: &str,
) -> Result<LoadedPair, Failure> {
    let now = SystemTime::now();
    if let (Some(certificate), Some(key)) = (&arguments.cert, &arguments.key) {
        return LoadedPair::load(certificate, key, now).map_err(unfit);
    }
    let name = arguments.identity.as_deref().unwrap_or(default_identity);
    pki::check_name(name)?;
    let generations = Generations::at(data.identity(name));
    if !generations.exists() {
        return Err(Failure::new("ENV-I507")
            .with("name", name)
            .with("folder", context.data_dir.display())
            .mend("enviomq --data-dir DIR pub TOPIC MESSAGE"));
    }
    generations.load(now).map_err(unfit)
}

/// A certificate that the broker would refuse ends with the same status as its refusal.
fn unfit(error: PkiError) -> Failure {
    let is_about_certificate = error.code().starts_with("ENV-C");
    let failure = Failure::from(error);
    if is_about_certificate {
        failure.exit(Exit::RefusedByPolicy)
    } else {
        failure
    }
}

/// Flags first; then what was configured; then the broker that ran in this data folder last,
/// or that its page was connected to; then the default.
fn endpoint(context: &Context, data: &DataFolder, arguments: &ConnectArgs, page: Page) -> Endpoint {
    let (key, configured) = match page {
        Page::Publisher => ("publisher.broker", &context.config.publisher.broker),
        Page::Subscriber => ("subscriber.broker", &context.config.subscriber.broker),
    };
    let ran_here = || {
        Running::read(data, "broker")
            .map(|running| running.address)
            .or_else(|| Running::read(data, page.name())?.broker)
            .and_then(|address| Endpoint::read(&Raw::One(address)).ok())
    };
    let mut endpoint = match context.values.source(key) {
        Source::Default => ran_here().unwrap_or_else(|| configured.clone()),
        _ => configured.clone(),
    };
    if let Some(host) = &arguments.host {
        endpoint.host.clone_from(host);
        // Another host's broker does not share the port of ours.
        endpoint.port = configured.port;
    }
    if let Some(port) = arguments.port {
        endpoint.port = port;
    }
    endpoint
}
