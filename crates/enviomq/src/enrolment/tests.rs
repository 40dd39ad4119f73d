//! Enrolment told from both sides, over a real socket.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pki::tls::{PinnedRoot, ServerTls};
use pki::{Authority, Identity, KeyPair, SERVICE_LIFE};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::newcomer::{Pinned, install, post};
use super::renewal::replace;
use super::{Enrolment, Granted, JoinTokens, Registrar, enrol, renew_over_network, serve};
use crate::certificates;
use crate::config::Endpoint;
use crate::data_folder::DataFolder;

/// A broker's enrolment listener, and a folder for everybody.
struct School {
    folder: TempDir,
    endpoint: Endpoint,
    authority: Arc<Authority>,
    tokens: JoinTokens,
}

impl School {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::at(&folder.path().join("broker"));
        let shared = folder.path().join("join");
        std::fs::create_dir(&shared).unwrap();
        pki::create_private_dir(&data.role("broker")).unwrap();
        let (authority, _) = certificates::authority(&data, "Aula").unwrap();
        let authority = Arc::new(authority);
        let server = certificates::server(&data, &authority, &[]).unwrap();
        let tls = Arc::new(ServerTls::new(&server.pair, authority.trust_roots()).unwrap());
        let tokens = JoinTokens::new(&shared, &data);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = Endpoint {
            host: "localhost".into(),
            port: listener.local_addr().unwrap().port(),
        };
        let registrar = Registrar::new(authority.clone(), tls, Some(tokens.clone()));
        tokio::spawn(serve(
            listener,
            Arc::new(registrar),
            CancellationToken::new(),
        ));
        Self {
            folder,
            endpoint,
            authority,
            tokens,
        }
    }

    fn data(&self, name: &str) -> DataFolder {
        DataFolder::at(&self.folder.path().join(name))
    }

    fn token_file(&self, name: &str) -> PathBuf {
        self.folder.path().join("join").join(name).join("token")
    }

    async fn enrol(&self, data: &DataFolder, file: &Path) -> Result<pki::LoadedPair, String> {
        let enrolment = Enrolment {
            data,
            name: "publisher",
            token_file: file,
            endpoint: &self.endpoint,
        };
        match enrol(&enrolment, &CancellationToken::new()).await {
            Ok(pair) => Ok(pair.unwrap()),
            Err(failure) => Err(failure.render(crate::language::Language::English)),
        }
    }
}

fn name_of(pair: &pki::LoadedPair) -> String {
    Identity::from_certificate(&pair.chain()[0]).unwrap().name
}

#[tokio::test]
async fn a_newcomer_becomes_who_its_token_says_and_trusts_that_root() {
    let school = School::open().await;
    school
        .tokens
        .leave(&school.authority, SystemTime::now())
        .unwrap();
    let data = school.data("newcomer");
    let pair = school
        .enrol(&data, &school.token_file("publisher"))
        .await
        .unwrap();
    assert_eq!(name_of(&pair), "publisher");
    assert_eq!(
        certificates::trusted_roots(&data).unwrap(),
        school.authority.trust_roots()
    );
    assert!(!school.token_file("publisher").exists());
}

#[tokio::test]
async fn a_newcomer_waits_until_its_token_appears() {
    let school = School::open().await;
    let data = school.data("newcomer");
    let file = school.token_file("publisher");
    let waiting = school.enrol(&data, &file);
    let arriving = async {
        school
            .tokens
            .leave(&school.authority, SystemTime::now())
            .unwrap();
    };
    let (enrolled, ()) = tokio::join!(waiting, arriving);
    assert!(enrolled.is_ok());
}

#[tokio::test]
async fn a_token_that_somebody_has_used_is_refused_for_good() {
    let school = School::open().await;
    let now = SystemTime::now();
    let life = Duration::from_secs(60);
    let token = school
        .authority
        .tokens()
        .mint("publisher", life, now)
        .unwrap();
    let file = school.folder.path().join("copied.token");
    std::fs::write(&file, token).unwrap();
    school.enrol(&school.data("first"), &file).await.unwrap();
    let refused = school
        .enrol(&school.data("second"), &file)
        .await
        .unwrap_err();
    assert!(refused.contains("ENV-J703"), "{refused}");
    assert!(refused.contains("broker/enrolled/publisher"), "{refused}");
    // The broker's folder has another name in its container.
    assert!(refused.contains("volume"), "{refused}");
}

#[tokio::test]
async fn a_token_of_another_name_is_not_spent() {
    let school = School::open().await;
    school
        .tokens
        .leave(&school.authority, SystemTime::now())
        .unwrap();
    let data = school.data("newcomer");
    let refused = school
        .enrol(&data, &school.token_file("subscriber"))
        .await
        .unwrap_err();
    assert!(refused.contains("ENV-J707"), "{refused}");
    assert!(school.token_file("subscriber").exists());
}

#[tokio::test]
async fn a_certificate_in_use_vouches_for_its_successor() {
    let school = School::open().await;
    school
        .tokens
        .leave(&school.authority, SystemTime::now())
        .unwrap();
    let data = school.data("newcomer");
    let old = school
        .enrol(&data, &school.token_file("publisher"))
        .await
        .unwrap();

    let fresh = renew_over_network(&data, "publisher", &school.endpoint)
        .await
        .unwrap();
    assert!(fresh.is_none(), "a fresh certificate is kept");
    let new = replace(&data, "publisher", &school.endpoint, &old)
        .await
        .unwrap();
    assert_eq!(name_of(&new), "publisher");
    assert_ne!(new.leaf().serial, old.leaf().serial);
}

#[tokio::test]
async fn a_request_that_is_none_does_not_spend_the_token() {
    let school = School::open().await;
    school
        .tokens
        .leave(&school.authority, SystemTime::now())
        .unwrap();
    let file = school.token_file("publisher");
    let token = std::fs::read_to_string(&file).unwrap();
    let config = PinnedRoot::new(school.authority.root_fingerprint())
        .client_config()
        .unwrap();
    let body = serde_json::json!({ "token": token, "csr": "no request at all" });
    let answer = post(&school.endpoint, config, "/v1/enroll", body.to_string())
        .await
        .unwrap();
    assert_eq!(answer.status, hyper::StatusCode::FORBIDDEN);
    assert!(String::from_utf8_lossy(&answer.body).contains("ENV-C212"));
    school.enrol(&school.data("newcomer"), &file).await.unwrap();
}

#[tokio::test]
async fn only_the_root_of_the_token_is_trusted_afterwards() {
    let school = School::open().await;
    let stranger = DataFolder::at(&school.folder.path().join("stranger"));
    let (stranger, _) = certificates::authority(&stranger, "Otra").unwrap();
    let data = school.data("newcomer");
    let key = KeyPair::generate().unwrap();
    let csr = key.to_csr("publisher").unwrap();
    let chain = school
        .authority
        .sign_client_csr(csr.as_bytes(), "publisher", SystemTime::now(), SERVICE_LIFE)
        .unwrap();
    let both = [stranger.root().clone(), school.authority.root().clone()];
    let pinned = Pinned {
        granted: Granted {
            chain: pki::certificates_to_pem(&chain),
            roots: pki::certificates_to_pem(&both),
        },
        root: school.authority.root_fingerprint(),
    };
    let enrolment = Enrolment {
        data: &data,
        name: "publisher",
        token_file: Path::new("-"),
        endpoint: &school.endpoint,
    };
    install(&enrolment, &pinned, key).unwrap();
    assert_eq!(
        certificates::trusted_roots(&data).unwrap(),
        school.authority.trust_roots()
    );
}
