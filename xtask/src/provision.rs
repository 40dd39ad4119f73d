//! What the tests need and a fresh Debian does not have: packages, paho, MQTT.js.
//!
//! Debian's packages need root; without it, the one line to run is printed.
//! Everything else goes below the target folder and is never installed elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use crate::groups::Group;
use crate::process::{Failed, Job, is_installed, say};
use crate::workspace::Workspace;

/// What the whole-system tests use besides Debian's programs.
pub(crate) struct Tools {
    /// A Python with paho-mqtt and playwright.
    pub(crate) python: PathBuf,
    /// A `node_modules` with MQTT.js.
    pub(crate) node_modules: PathBuf,
}

/// A Debian package, and the file that shows it is there already.
///
/// The file, not the package's name, because a machine may have the program from elsewhere.
struct Package {
    name: &'static str,
    program: &'static str,
    needed_by: &'static [Group],
}

const PACKAGES: &[Package] = {
    use Group::{Browser, Compose, EndToEnd, Interop, Readme};
    &[
        Package {
            name: "mosquitto-clients",
            program: "mosquitto_pub",
            needed_by: &[EndToEnd, Interop, Compose, Readme],
        },
        Package {
            name: "openssl",
            program: "openssl",
            needed_by: &[EndToEnd],
        },
        Package {
            name: "python3-venv",
            program: "/usr/share/doc/python3-venv",
            needed_by: &[Interop, Browser],
        },
        Package {
            name: "nodejs",
            program: "node",
            needed_by: &[Interop],
        },
        Package {
            name: "npm",
            program: "npm",
            needed_by: &[Interop],
        },
        Package {
            name: "chromium",
            program: "/usr/bin/chromium",
            needed_by: &[Browser],
        },
        Package {
            name: "fonts-dejavu-core",
            program: "/usr/share/doc/fonts-dejavu-core",
            needed_by: &[Browser],
        },
        Package {
            name: "docker.io",
            program: "dockerd",
            needed_by: &[Compose],
        },
        Package {
            name: "docker-compose",
            program: "docker-compose",
            needed_by: &[Compose],
        },
        Package {
            name: "git",
            program: "git",
            needed_by: &[Readme],
        },
    ]
};

/// Makes sure that everything the chosen groups need is there.
pub(crate) fn install(workspace: &Workspace, chosen: &[Group]) -> Result<Tools, Failed> {
    debian(chosen)?;
    let folder = workspace.target.join("tools");
    let tools = Tools {
        python: folder.join("python/bin/python"),
        node_modules: folder.join("node/node_modules"),
    };
    if chosen
        .iter()
        .any(|group| [Group::Interop, Group::Browser].contains(group))
    {
        python(
            &workspace.root.join("tests/requirements.txt"),
            &folder.join("python"),
        )?;
    }
    if chosen.contains(&Group::Interop) {
        node(&workspace.root.join("tests/interop"), &folder.join("node"))?;
    }
    Ok(tools)
}

fn debian(chosen: &[Group]) -> Result<(), Failed> {
    let missing: Vec<&str> = PACKAGES
        .iter()
        .filter(|package| package.needed_by.iter().any(|group| chosen.contains(group)))
        .filter(|package| !is_present(package.program))
        .map(|package| package.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = ["apt-get", "install", "--yes", "--no-install-recommends"];
    let line = format!("{} {}", install.join(" "), missing.join(" "));
    let is_root = Job::new("id")
        .args(["-u"])
        .quiet()
        .is_some_and(|id| id.trim() == "0");
    if !is_root || !is_installed("apt-get") {
        let why = format!(
            "these tests need programs that are not installed: {}\n  install them:  sudo {line}",
            missing.join(", ")
        );
        return Err(Failed::because(&why));
    }
    let apt = |arguments: &[&str]| {
        Job::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .run()
    };
    apt(&["update", "--quiet"])?;
    let mut arguments = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    arguments.extend(&missing);
    apt(&arguments)
}

fn is_present(program: &str) -> bool {
    if program.starts_with('/') {
        Path::new(program).exists()
    } else {
        // Daemons live in sbin, which is not on everybody's PATH.
        is_installed(program) || Path::new("/usr/sbin").join(program).exists()
    }
}

/// A virtual environment with exactly the versions of `requirements`.
fn python(requirements: &Path, venv: &Path) -> Result<(), Failed> {
    if is_stamped(venv, &[requirements]) {
        return Ok(());
    }
    // Debian's own Python: python3-venv was installed for it, not for another on the PATH.
    let python = if Path::new("/usr/bin/python3").exists() {
        "/usr/bin/python3"
    } else {
        "python3"
    };
    Job::new(python)
        .args(["-m", "venv", "--clear"])
        .args([venv.display()])
        .run()?;
    Job::new(venv.join("bin/python").display().to_string())
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .args([requirements.display()])
        .run()?;
    stamp(venv, &[requirements])
}

/// A copy of the committed package.json and lock, installed as they say.
fn node(source: &Path, folder: &Path) -> Result<(), Failed> {
    let sources = [
        source.join("package.json"),
        source.join("package-lock.json"),
    ];
    let sources: Vec<&Path> = sources.iter().map(PathBuf::as_path).collect();
    if is_stamped(folder, &sources) {
        return Ok(());
    }
    let copied = fs::create_dir_all(folder).and_then(|()| {
        for source in &sources {
            fs::copy(source, folder.join(source.file_name().unwrap_or_default()))?;
        }
        Ok(())
    });
    copied.map_err(|why| Failed::because(&format!("{}: {why}", folder.display())))?;
    Job::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"])
        .folder(folder)
        .run()?;
    stamp(folder, &sources)
}

/// Whether `folder` was last installed from these very files.
fn is_stamped(folder: &Path, sources: &[&Path]) -> bool {
    match (fs::read(folder.join("installed-from")), contents(sources)) {
        (Ok(installed), Ok(wanted)) => installed == wanted,
        _ => false,
    }
}

fn stamp(folder: &Path, sources: &[&Path]) -> Result<(), Failed> {
    contents(sources)
        .and_then(|bytes| fs::write(folder.join("installed-from"), bytes))
        .map_err(|why| Failed::because(&format!("{}: {why}", folder.display())))
        .inspect(|()| say(&format!("installed {}", folder.display())))
}

fn contents(sources: &[&Path]) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    for source in sources {
        all.extend(fs::read(source)?);
    }
    Ok(all)
}
