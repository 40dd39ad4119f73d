//! Certificates: what the data folder must hold before anything starts, made or renewed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pki::{Authority, Generations, KeyPair, LoadedPair, PkiError, SERVICE_LIFE};
use rustls_pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;

use crate::data_folder::DataFolder;
use crate::failure::Failure;

/// Whether something was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Kept,
    Created,
    Renewed,
}

/// A pair in use, and what had to be done for it.
pub(crate) struct Ready {
    pub(crate) pair: LoadedPair,
    pub(crate) change: Change,
}

/// Opens the authority of the data folder, or makes it on the first start.
///
/// # Errors
/// ENV-C202 if the clock stands before the authority, and whatever is wrong with its files.
pub(crate) fn authority(data: &DataFolder, name: &str) -> Result<(Authority, Change), PkiError> {
    let now = SystemTime::now();
    if Authority::exists(&data.pki()) {
        Authority::open(&data.pki(), now).map(|authority| (authority, Change::Kept))
    } else {
        Authority::create(&data.pki(), name, now).map(|authority| (authority, Change::Created))
    }
}

/// The broker's pair, re-issued when it is old, expired, of another authority, or lacks a name.
///
/// # Errors
/// If it cannot be issued, or what is on disk is unusable in a way that a new
/// certificate would only hide, such as a key that everybody can read.
pub(crate) fn server(
    data: &DataFolder,
    authority: &Authority,
    extra_names: &[String],
) -> Result<Ready, PkiError> {
    let now = SystemTime::now();
    let generations = Generations::at(data.server());
    let mut names = pki::default_server_names(extra_names);
    let held = load(&generations, authority, now)?;
    if let Held::Usable(pair) = held {
        let missing = names.iter().any(|name| !pair.leaf().names.contains(name));
        if !missing && !pair.needs_renewal(now) {
            return Ok(Ready {
                pair: *pair,
                change: Change::Kept,
            });
        }
        // A laptop that moves between networks must not forget the names it had.
        for name in &pair.leaf().names {
            if names.len() < SERVER_NAMES_MAX && !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    let change = if generations.exists() {
        Change::Renewed
    } else {
        Change::Created
    };
    let issued = authority.issue_server(&names, KeyPair::generate()?, now)?;
    let pair = generations.install(&issued, now)?;
    Ok(Ready { pair, change })
}

/// The pair of a client identity that lives in the same data folder as the authority.
///
/// # Errors
/// As [`server`].
pub(crate) fn service(
    data: &DataFolder,
    authority: &Authority,
    name: &str,
) -> Result<Ready, PkiError> {
    let now = SystemTime::now();
    let generations = Generations::at(data.identity(name));
    if let Held::Usable(pair) = load(&generations, authority, now)?
        && !pair.needs_renewal(now)
    {
        return Ok(Ready {
            pair: *pair,
            change: Change::Kept,
        });
    }
    let change = if generations.exists() {
        Change::Renewed
    } else {
        Change::Created
    };
    let issued = authority.issue_client(name, KeyPair::generate()?, now, SERVICE_LIFE)?;
    let pair = generations.install(&issued, now)?;
    Ok(Ready { pair, change })
}

/// The roots an identity of this data folder trusts.
///
/// # Errors
/// If the bundle is missing or is not PEM.
pub(crate) fn trusted_roots(data: &DataFolder) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    pki::read_certificates(&data.trust_bundle())
}

/// Runs `renew` every hour until `stop`; a failure is logged and tried again.
///
/// The work reads and writes files and signs, so it leaves the runtime's threads alone.
pub(crate) async fn every_hour<F>(what: &'static str, stop: CancellationToken, renew: F)
where
    F: Fn() -> Result<Change, Failure> + Send + Sync + 'static,
{
    let renew = Arc::new(renew);
    let mut hour = tokio::time::interval(Duration::from_secs(3_600));
    hour.tick().await; // the first tick is now, and now everything is fresh
    while stop.run_until_cancelled(hour.tick()).await.is_some() {
        let work = renew.clone();
        let done = tokio::task::spawn_blocking(move || work()).await;
        report(what, done);
    }
}

/// Logs what an attempt to renew came to.
pub(crate) fn report(what: &str, done: Result<Result<Change, Failure>, tokio::task::JoinError>) {
    match done {
        Ok(Ok(Change::Kept)) => tracing::debug!(what, "certificate is fresh"),
        Ok(Ok(_)) => tracing::info!(what, "certificate renewed"),
        Ok(Err(failure)) => {
            let reason = failure.what(crate::language::Language::English);
            tracing::error!(
                what,
                code = failure.code(),
                reason,
                "certificate not renewed"
            );
        }
        Err(error) => tracing::error!(what, %error, "certificate not renewed"),
    }
}

enum Held {
    Usable(Box<LoadedPair>),
    Nothing,
}

/// What is on disk, unless a new certificate is the cure for what is wrong with it.
fn load(
    generations: &Generations,
    authority: &Authority,
    now: SystemTime,
) -> Result<Held, PkiError> {
    if !generations.exists() {
        return Ok(Held::Nothing);
    }
    match generations.load(now) {
        Ok(pair) if pair.chain().last() == Some(authority.issuing()) => {
            Ok(Held::Usable(Box::new(pair)))
        }
        Ok(_) | Err(PkiError::Expired { .. }) => Ok(Held::Nothing),
        Err(error) => Err(error),
    }
}

/// More names than this would only slow every handshake down.
const SERVER_NAMES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_everything_and_the_second_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::at(folder.path());
        let (first, created) = authority(&data, "Aula").unwrap();
        assert_eq!(created, Change::Created);
        assert_eq!(server(&data, &first, &[]).unwrap().change, Change::Created);
        assert_eq!(
            service(&data, &first, "publisher").unwrap().change,
            Change::Created
        );

        let (again, kept) = authority(&data, "Aula").unwrap();
        assert_eq!(kept, Change::Kept);
        assert_eq!(again.root_fingerprint(), first.root_fingerprint());
        assert_eq!(server(&data, &again, &[]).unwrap().change, Change::Kept);
        assert_eq!(
            service(&data, &again, "publisher").unwrap().change,
            Change::Kept
        );
        assert_eq!(trusted_roots(&data).unwrap(), again.trust_roots());
    }

    #[test]
    fn a_clock_before_the_authority_is_named_in_both_languages() {
        use crate::language::Language;
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::at(folder.path());
        let tomorrow = SystemTime::now() + Duration::from_secs(2 * 86_400);
        Authority::create(&data.pki(), "Aula", tomorrow).unwrap();
        let failure = authority(&data, "Aula")
            .map(|_| ())
            .map_err(Failure::from)
            .unwrap_err();
        assert_eq!(failure.code(), "ENV-C202");
        for (language, word) in [
            (Language::English, "clock says"),
            (Language::Spanish, "reloj"),
        ] {
            let text = failure.render(language);
            assert!(
                text.contains(word) && text.contains("timedatectl"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_missing_name_re_issues_the_server_certificate_and_keeps_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::at(folder.path());
        let (authority, _) = authority(&data, "Aula").unwrap();
        server(&data, &authority, &["one.example".into()]).unwrap();
        let ready = server(&data, &authority, &["192.0.2.7".into()]).unwrap();
        assert_eq!(ready.change, Change::Renewed);
        for name in ["one.example", "192.0.2.7", "localhost"] {
            assert!(ready.pair.leaf().names.contains(&name.to_owned()), "{name}");
        }
    }
}
