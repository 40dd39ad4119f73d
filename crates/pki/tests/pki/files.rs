//! Everything that can be wrong with a key or certificate file has its own name.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use pki::{LoadedPair, PkiError};

use crate::{
    openssl::openssl,
    support::{Lab, now},
};

/// A good pair as two loose files, to be spoiled.
struct Loose {
    lab: Lab,
    certificate: PathBuf,
    key: PathBuf,
}

impl Loose {
    fn new() -> Loose {
        let lab = Lab::new();
        let pair = lab.client("pump-01");
        let certificate = lab.path().join("pump.crt");
        let key = lab.path().join("pump.key");
        fs::copy(pair.certificate_path(), &certificate).unwrap();
        fs::copy(pair.key_path(), &key).unwrap();
        set_mode(&key, 0o600);
        Loose {
            lab,
            certificate,
            key,
        }
    }

    fn load(&self) -> Result<LoadedPair, PkiError> {
        LoadedPair::load(&self.certificate, &self.key, now())
    }

    fn code(&self) -> &'static str {
        self.load().unwrap_err().code()
    }

    /// Lets openssl rewrite `path`; the arguments say how.
    fn convert(&self, path: &Path, arguments: &[&str]) {
        let rewritten = self.lab.path().join("rewritten");
        let files = [
            "-in",
            path.to_str().unwrap(),
            "-out",
            rewritten.to_str().unwrap(),
        ];
        let (success, text) = openssl(&[arguments, &files].concat());
        assert!(success, "{text}");
        set_mode(&rewritten, 0o600);
        fs::rename(&rewritten, path).unwrap();
    }

    fn spoil(path: &Path, change: impl FnOnce(String) -> Vec<u8>) {
        let text = fs::read_to_string(path).unwrap();
        fs::write(path, change(text)).unwrap();
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_good_pair_loads() {
    assert!(Loose::new().load().is_ok());
}

#[test]
fn f102_a_key_that_others_can_touch_is_refused_and_group_reading_is_not() {
    let loose = Loose::new();
    for wide in [0o604, 0o644, 0o601, 0o602, 0o777] {
        set_mode(&loose.key, wide);
        let error = loose.load().unwrap_err();
        assert_eq!(error.code(), "ENV-F102", "{wide:o}");
        assert!(
            error.to_string().contains(&format!("{wide:04o}")),
            "{error}"
        );
    }
    for narrow in [0o400, 0o600, 0o440, 0o640] {
        set_mode(&loose.key, narrow);
        assert!(loose.load().is_ok(), "{narrow:o}");
    }
}

#[test]
fn f101_a_file_of_somebody_else_is_named_with_owner_and_mode() {
    use rustix::thread::{CapabilitySet, CapabilitySets};
    let loose = Loose::new();
    if rustix::process::geteuid().is_root() {
        // Root reads everything; this thread gives that up. Nobody's file is then closed to it.
        std::os::unix::fs::chown(&loose.key, Some(65_534), Some(65_534)).unwrap();
        let none = CapabilitySet::empty();
        let sets = CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        };
        rustix::thread::set_capabilities(None, sets).unwrap();
    } else {
        set_mode(&loose.key, 0o000);
    }
    let error = loose.load().unwrap_err();
    assert_eq!(error.code(), "ENV-F101");
    let fields = error.fields();
    for name in ["file", "owner", "mode", "user"] {
        assert!(
            fields
                .iter()
                .any(|(field, value)| *field == name && !value.is_empty()),
            "{name}"
        );
    }
}

#[test]
fn f103_missing_files_and_folders_in_their_place() {
    let loose = Loose::new();
    fs::remove_file(&loose.key).unwrap();
    assert_eq!(loose.code(), "ENV-F103");
    fs::create_dir(&loose.key).unwrap();
    let error = loose.load().unwrap_err();
    assert_eq!(error.code(), "ENV-F103");
    assert!(error.to_string().contains("Docker"), "{error}");
}

#[test]
fn f104_empty_and_cut_files() {
    for cut in [0, 40, 200] {
        let loose = Loose::new();
        Loose::spoil(&loose.certificate, |text| text.as_bytes()[..cut].to_vec());
        assert_eq!(loose.code(), "ENV-F104", "{cut}");
        let loose = Loose::new();
        Loose::spoil(&loose.key, |text| text.as_bytes()[..cut.min(150)].to_vec());
        assert_eq!(loose.code(), "ENV-F104", "{cut}");
    }
    // The second certificate of the chain is cut.
    let loose = Loose::new();
    Loose::spoil(&loose.certificate, |text| {
        text.as_bytes()[..text.len() - 80].to_vec()
    });
    assert_eq!(loose.code(), "ENV-F104");
    let loose = Loose::new();
    Loose::spoil(&loose.certificate, |_| b"hola".to_vec());
    assert_eq!(loose.code(), "ENV-F104");
}

#[test]
fn f105_and_f106_binary_files() {
    let loose = Loose::new();
    loose.convert(&loose.certificate, &["x509", "-outform", "DER"]);
    assert_eq!(loose.code(), "ENV-F105");

    let loose = Loose::new();
    let key = loose.key.to_str().unwrap();
    loose.convert(
        &loose.certificate,
        &["pkcs12", "-export", "-inkey", key, "-passout", "pass:x"],
    );
    assert_eq!(loose.code(), "ENV-F106");

    let loose = Loose::new();
    loose.convert(&loose.key, &["pkey", "-outform", "DER"]);
    assert_eq!(loose.code(), "ENV-F105");
}

#[test]
fn f107_what_editors_and_shells_do_is_tolerated() {
    let encodings: [fn(String) -> Vec<u8>; 5] = [
        |text| [&[0xEF, 0xBB, 0xBF], text.as_bytes()].concat(),
        |text| text.replace('\n', "\r\n").into_bytes(),
        |text| text.replace('\n', "\\n").into_bytes(),
        |text| {
            [0xFEFF]
                .into_iter()
                .chain(text.encode_utf16())
                .flat_map(u16::to_le_bytes)
                .collect()
        },
        |text| {
            [0xFEFF]
                .into_iter()
                .chain(text.encode_utf16())
                .flat_map(u16::to_be_bytes)
                .collect()
        },
    ];
    for (number, encode) in encodings.into_iter().enumerate() {
        let loose = Loose::new();
        Loose::spoil(&loose.certificate, encode);
        Loose::spoil(&loose.key, encode);
        let pair = loose
            .load()
            .unwrap_or_else(|error| panic!("{number}: {error}"));
        assert_eq!(pair.chain().len(), 2, "{number}");
    }
}

#[test]
fn f108_encrypted_keys_old_and_new() {
    for command in ["pkey", "ec"] {
        let loose = Loose::new();
        loose.convert(&loose.key, &[command, "-aes256", "-passout", "pass:secret"]);
        assert_eq!(loose.code(), "ENV-F108", "{command}");
    }
}

#[test]
fn f109_swapped_files() {
    let loose = Loose::new();
    let (certificate, key) = (
        fs::read(&loose.certificate).unwrap(),
        fs::read(&loose.key).unwrap(),
    );
    fs::write(&loose.certificate, &key).unwrap();
    assert_eq!(loose.code(), "ENV-F109");
    let loose = Loose::new();
    fs::write(&loose.key, certificate).unwrap();
    assert_eq!(loose.code(), "ENV-F109");
}

#[test]
fn f110_a_key_of_another_certificate() {
    let loose = Loose::new();
    fs::write(&loose.key, crate::support::key().to_pem().as_bytes()).unwrap();
    let error = loose.load().unwrap_err();
    assert_eq!(error.code(), "ENV-F110");
    let PkiError::Mismatch {
        key_fingerprint,
        certificate_fingerprint,
        ..
    } = error
    else {
        panic!("{error}");
    };
    assert_ne!(key_fingerprint, certificate_fingerprint);
}

#[test]
fn keys_of_every_form_openssl_writes_are_read() {
    for arguments in [&["ec"][..], &["pkey"], &["pkey", "-traditional"]] {
        let loose = Loose::new();
        loose.convert(&loose.key, arguments);
        assert!(loose.load().is_ok(), "{arguments:?}");
    }
}

#[test]
fn well_formed_pem_around_nonsense_is_named() {
    let loose = Loose::new();
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&loose.certificate, nonsense).unwrap();
    let error = loose.load().unwrap_err();
    assert_eq!(error.code(), "ENV-F111");
    assert!(error.to_string().contains("pump.crt"), "{error}");
}
