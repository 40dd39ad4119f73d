//! Context: what every command starts from: language, data folder, effective settings.

use std::path::{Path, PathBuf};

use crate::cli::{Command, Global};
use crate::config::{Config, Listen, Raw, Values};
use crate::failure::{Exit, Failure};
use crate::language::Language;

/// What a command knows before it does anything.
pub(crate) struct Context {
    pub(crate) language: Language,
    pub(crate) json: bool,
    pub(crate) data_dir: PathBuf,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) values: Values,
    pub(crate) config: Config,
}

impl Context {
    /// Gathers every source of settings and checks all of them.
    ///
    /// # Errors
    /// For the first value or key that does not fit.
    pub(crate) fn gather(
        global: &Global,
        command: &Command,
        language: Language,
    ) -> Result<Self, Failure> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let data_dir = global
            .data_dir
            .clone()
            .or_else(|| variable("ENVIOMQ_DATA_DIR").map(PathBuf::from))
            .unwrap_or_else(|| PathBuf::from("enviomq-data"));
        let config_file = global
            .config
            .clone()
            .or_else(|| variable("ENVIOMQ_CONFIG").map(PathBuf::from))
            .or_else(|| find_file(&data_dir));

        let mut values = Values::defaults();
        if let Some(path) = &config_file {
            values.offer_file(path)?;
        }
        // Names and values that are not UTF-8 cannot be ours.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        values.offer_environment(variables)?;
        offer_flags(&mut values, global, command)?;
        let config = Config::from_values(&values)?;
        Ok(Self {
            language,
            json: global.json,
            data_dir,
            config_file,
            values,
            config,
        })
    }

    /// A text of the catalogue in the reader's language.
    pub(crate) fn say(&self, key: &str, values: &[(&str, &dyn std::fmt::Display)]) -> String {
        self.language.say(key, values)
    }

    /// The flags that make a copied command find the same data folder.
    pub(crate) fn data_dir_flag(&self) -> String {
        if self.data_dir == Path::new("enviomq-data") {
            String::new()
        } else {
            format!(" --data-dir {}", self.data_dir.display())
        }
    }
}

/// `enviomq.toml` of the data folder, else that of the working folder.
fn find_file(data_dir: &Path) -> Option<PathBuf> {
    [data_dir.join("enviomq.toml"), PathBuf::from("enviomq.toml")]
        .into_iter()
        .find(|path| path.is_file())
}

fn offer_flags(values: &mut Values, global: &Global, command: &Command) -> Result<(), Failure> {
    for assignment in &global.set {
        let Some((path, value)) = assignment.split_once('=') else {
            return Err(Failure::new("ENV-U807")
                .with("value", assignment)
                .mend("enviomq up --set log.level=debug")
                .exit(Exit::Usage));
        };
        values.offer_flag(path.trim(), Raw::One(value.to_owned()), "--set")?;
    }
    let mut offer = |path: &str, value: &Option<String>, flag: &str| match value {
        Some(value) => values.offer_flag(path, Raw::One(value.clone()), flag),
        None => Ok(()),
    };
    offer("log.level", &global.log_level, "--log-level")?;
    match command {
        Command::Up(up) => {
            offer(
                "publisher.listen",
                &up.publisher_listen,
                "--publisher-listen",
            )?;
            offer(
                "subscriber.listen",
                &up.subscriber_listen,
                "--subscriber-listen",
            )?;
            offer_names(values, &up.host)?;
            if let Some(port) = up.port {
                let listen: Listen = values.read("broker.listen")?;
                let listen = listen.with_port(port).to_string();
                values.offer_flag("broker.listen", Raw::One(listen), "--port")?;
            }
        }
        Command::Broker(broker) => {
            offer("broker.listen", &broker.listen, "--listen")?;
            offer_names(values, &broker.host)?;
        }
        Command::Publisher(service) => {
            offer("publisher.listen", &service.listen, "--listen")?;
            offer("publisher.broker", &service.broker, "--broker")?;
        }
        Command::Subscriber(service) => {
            offer("subscriber.listen", &service.listen, "--listen")?;
            offer("subscriber.broker", &service.broker, "--broker")?;
        }
        _ => {}
    }
    Ok(())
}

/// `--host` adds to the names of the configuration instead of replacing them.
fn offer_names(values: &mut Values, added: &[String]) -> Result<(), Failure> {
    if added.is_empty() {
        return Ok(());
    }
    let mut names: Vec<String> = values.read("broker.names")?;
    names.extend_from_slice(added);
    values.offer_flag("broker.names", Raw::Many(names), "--host")
}
