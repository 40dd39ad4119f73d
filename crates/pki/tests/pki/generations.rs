//! Key and certificate change together, whatever is killed when.

use std::{fs, os::unix::fs::symlink, path::Path};

use pki::{Generations, Identity, Issued, SERVICE_LIFE};

use crate::support::{Lab, days, key, mode, now};

fn issued(lab: &Lab) -> Issued {
    lab.authority
        .issue_client("pump-01", key(), now(), SERVICE_LIFE)
        .unwrap()
}

fn serial_in_use(generations: &Generations) -> String {
    generations.load(now()).unwrap().leaf().serial.clone()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn each_install_is_the_next_generation_and_the_one_before_stays() {
    let lab = Lab::new();
    let dir = lab.path().join("identities/pump-01");
    let generations = Generations::at(&dir);
    assert!(!generations.exists());
    assert_eq!(generations.load(now()).unwrap_err().code(), "ENV-F103");
    for _ in 0..4 {
        let pair = generations.install(&issued(&lab), now()).unwrap();
        assert_eq!(serial_in_use(&generations), pair.leaf().serial);
        assert!(pair.key_path().is_file() && pair.certificate_path().is_file());
    }
    assert_eq!(names(&dir), ["current", "gen-0003", "gen-0004"]);
    assert_eq!(
        fs::read_link(dir.join("current")).unwrap(),
        Path::new("gen-0004")
    );
    assert_eq!(
        names(&dir.join("gen-0004")),
        ["cert.pem", "key.pem", "meta.json"]
    );
}

#[test]
fn keys_are_for_their_owner_alone() {
    let lab = Lab::new();
    let dir = lab.path().join("identities/pump-01");
    let pair = Generations::at(&dir).install(&issued(&lab), now()).unwrap();
    assert_eq!(mode(pair.key_path()), 0o400);
    assert_eq!(mode(pair.certificate_path()) & !0o644, 0);
    for folder in [
        lab.path().join("identities"),
        dir.clone(),
        dir.join("gen-0001"),
    ] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
}

#[test]
fn the_holder_of_a_client_pair_is_known_by_name() {
    let lab = Lab::new();
    let pair = lab.client("pump-01");
    let identity = Identity::from_certificate(&pair.chain()[0]).unwrap();
    assert_eq!(identity.name, "pump-01");
    assert_eq!(identity.serial, pair.leaf().serial);
    assert_eq!(identity.not_after, pair.leaf().not_after);
}

/// Every state a kill can leave, in the order the steps are taken.
#[test]
fn whatever_step_is_killed_the_pair_on_disk_matches() {
    let lab = Lab::new();
    let dir = lab.path().join("server");
    let generations = Generations::at(&dir);
    let first = generations
        .install(&issued(&lab), now())
        .unwrap()
        .leaf()
        .serial
        .clone();

    // A spare generation, whole, to leave half of it behind at each step.
    let spare = Generations::at(lab.path().join("spare"));
    let second = spare.install(&issued(&lab), now()).unwrap();
    let staged = dir.join(".new-0011223344556677");

    // 1. The folder was made.
    fs::create_dir(&staged).unwrap();
    assert_eq!(serial_in_use(&generations), first);
    // 2. The key was written, in part.
    let key = fs::read(second.key_path()).unwrap();
    fs::write(staged.join("key.pem"), &key[..key.len() / 2]).unwrap();
    assert_eq!(serial_in_use(&generations), first);
    // 3. Key whole, certificate in part.
    fs::copy(second.key_path(), staged.join("key.pem")).unwrap();
    let certificate = fs::read(second.certificate_path()).unwrap();
    fs::write(staged.join("cert.pem"), &certificate[..99]).unwrap();
    assert_eq!(serial_in_use(&generations), first);
    // 4. Both whole, not renamed.
    fs::copy(second.certificate_path(), staged.join("cert.pem")).unwrap();
    assert_eq!(serial_in_use(&generations), first);
    // 5. Renamed, the link not swapped.
    fs::rename(&staged, dir.join("gen-0002")).unwrap();
    assert_eq!(serial_in_use(&generations), first);
    // 6. The new link made, not renamed.
    symlink("gen-0002", dir.join(".new-8899AABBCCDDEEFF")).unwrap();
    assert_eq!(serial_in_use(&generations), first);
    // 7. Swapped, nothing tidied up.
    fs::rename(dir.join(".new-8899AABBCCDDEEFF"), dir.join("current")).unwrap();
    assert_eq!(serial_in_use(&generations), second.leaf().serial);
    // 8. The next install finds its way from any of these.
    fs::create_dir(dir.join(".new-0000000000000000")).unwrap();
    let third = generations.install(&issued(&lab), now()).unwrap();
    assert_eq!(serial_in_use(&generations), third.leaf().serial);
    assert_eq!(names(&dir), ["current", "gen-0002", "gen-0003"]);
}

#[test]
fn a_kill_before_the_very_first_link_loses_nothing() {
    let lab = Lab::new();
    let dir = lab.path().join("server");
    let generations = Generations::at(&dir);
    let first = generations.install(&issued(&lab), now()).unwrap();
    fs::remove_file(dir.join("current")).unwrap();
    assert!(generations.exists());
    assert_eq!(serial_in_use(&generations), first.leaf().serial);
    generations.install(&issued(&lab), now()).unwrap();
    assert_eq!(
        fs::read_link(dir.join("current")).unwrap(),
        Path::new("gen-0002")
    );
}

#[test]
fn a_pair_that_does_not_match_is_never_installed() {
    let lab = Lab::new();
    let generations = Generations::at(lab.path().join("server"));
    let good = generations.install(&issued(&lab), now()).unwrap();
    let wrong = Issued {
        chain: issued(&lab).chain,
        key: key(),
    };
    assert_eq!(
        generations.install(&wrong, now()).unwrap_err().code(),
        "ENV-F110"
    );
    let Issued { chain, key } = issued(&lab);
    let broken = Issued {
        chain: vec![chain[0].clone(), lab.authority.root().clone()],
        key,
    };
    assert_eq!(
        generations.install(&broken, now()).unwrap_err().code(),
        "ENV-C204"
    );
    assert_eq!(
        generations
            .install(&issued(&lab), now() + days(31))
            .unwrap_err()
            .code(),
        "ENV-C201"
    );
    assert_eq!(serial_in_use(&generations), good.leaf().serial);
    assert_eq!(names(generations.dir()), ["current", "gen-0001"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let lab = Lab::new();
    fs::write(lab.path().join("blocked"), "a file").unwrap();
    let error = Generations::at(lab.path().join("blocked/server"))
        .install(&issued(&lab), now())
        .unwrap_err();
    assert_eq!(error.code(), "ENV-F100");
    assert!(error.to_string().contains("blocked"), "{error}");
}

#[test]
fn renewal_is_due_at_two_thirds_of_life() {
    let lab = Lab::new();
    let pair = lab.client("pump-01");
    assert!(!pair.needs_renewal(now() + days(19)));
    assert!(pair.needs_renewal(now() + days(20)));
}

#[test]
fn a_clock_before_the_pair_is_told_apart() {
    let lab = Lab::new();
    let generations = Generations::at(lab.path().join("server"));
    generations.install(&issued(&lab), now()).unwrap();
    let error = generations.load(now() - days(2)).unwrap_err();
    assert_eq!(error.code(), "ENV-C202");
    assert!(error.to_string().starts_with("your clock says"), "{error}");
}

/// The umask belongs to the whole process, so the two tests run in one of their own.
#[test]
fn modes_do_not_hang_on_the_umask() {
    let tests = std::env::current_exe().unwrap();
    for umask in ["000", "077"] {
        let output = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("umask {umask} && exec \"$0\" \"$@\""))
            .arg(&tests)
            .args(["--exact", "generations::keys_are_for_their_owner_alone"])
            .arg("authority::its_files_are_as_narrow_as_they_should_be")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("2 passed"),
            "umask {umask}:\n{text}"
        );
    }
}
