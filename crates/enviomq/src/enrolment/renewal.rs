//! Renewal over the network: the certificate in use vouches for its successor.

use std::time::SystemTime;

use pki::tls::ClientTls;
use pki::{Generations, Issued, KeyPair, LoadedPair};

use super::newcomer::{Judged, judge, post};
use super::{RENEW_ALPN, RenewRequest};
use crate::certificates::trusted_roots;
use crate::config::Endpoint;
use crate::data_folder::DataFolder;
use crate::failure::Failure;

/// Replaces the pair of `name` if two thirds of its life are over.
///
/// Answers the new pair, or `None` if the old one is still fresh.
///
/// # Errors
/// If the broker cannot be reached or says no; the old pair stays.
pub(crate) async fn renew_over_network(
    data: &DataFolder,
    name: &str,
    endpoint: &Endpoint,
) -> Result<Option<LoadedPair>, Failure> {
    let now = SystemTime::now();
    let held = Generations::at(data.identity(name)).load(now)?;
    if held.needs_renewal(now) {
        replace(data, name, endpoint, &held).await.map(Some)
    } else {
        Ok(None)
    }
}

/// Asks for a successor of `held` and installs it.
pub(super) async fn replace(
    data: &DataFolder,
    name: &str,
    endpoint: &Endpoint,
    held: &LoadedPair,
) -> Result<LoadedPair, Failure> {
    let key = KeyPair::generate()?;
    let body = RenewRequest {
        csr: key.to_csr(name)?,
    };
    let tls = ClientTls::new(Some(held), &trusted_roots(data)?)?;
    let mut config = (*tls.config()).clone();
    config.alpn_protocols = vec![RENEW_ALPN.to_vec()];
    let body = serde_json::json!(body).to_string();
    let failed = |reason: String| {
        Failure::new("ENV-J709")
            .with("name", name)
            .because(reason)
            .mend("enviomq healthcheck broker")
    };
    let answer = post(endpoint, config.into(), "/v1/renew", body)
        .await
        .map_err(|error| failed(format!("{endpoint}: {error}")))?;
    let granted = judge(&answer).map_err(|judged| match judged {
        Judged::Denied(denied) => failed(format!("{}: {}", denied.code, denied.detail)),
        Judged::Odd(reason) => failed(reason),
    })?;
    let issued = Issued {
        chain: pki::certificates_from_pem(&granted.chain)?,
        key,
    };
    let generations = Generations::at(data.identity(name));
    Ok(generations.install(&issued, SystemTime::now())?)
}
