//! What `up` tells the person who started it: step by step at first, briefly later.

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::Certificates;
use crate::certificates::{Change, Ready};
use crate::config::Endpoint;
use crate::context::Context;
use crate::failure::Failure;
use crate::language::Language;
use crate::output;

/// The lines in the making. With `--json` nothing is said before one object at the end.
pub(super) struct Announcement<'a> {
    context: &'a Context,
    /// Whether this is the first start, which explains itself.
    first: bool,
    took: Duration,
    endpoint: Option<Endpoint>,
    fingerprint: String,
    publisher: Files,
    subscriber: Files,
    trust: String,
}

/// Where a client of another maker finds what it needs.
struct Files {
    certificate: String,
    key: String,
}

impl<'a> Announcement<'a> {
    pub(super) fn new(context: &'a Context, certificates: &Certificates) -> Self {
        let data = crate::data_folder::DataFolder::at(&context.data_dir);
        let files = |name: &str| {
            // Through the `current` link, so that the command outlives a renewal.
            let current = data.identity(name).join("current");
            Files {
                certificate: shell_word(&current.join("cert.pem")),
                key: shell_word(&current.join("key.pem")),
            }
        };
        Self {
            context,
            first: certificates.authority_change == Change::Created,
            took: Duration::ZERO,
            endpoint: None,
            fingerprint: certificates.authority.root_fingerprint().to_string(),
            publisher: files("publisher"),
            subscriber: files("subscriber"),
            trust: shell_word(&data.trust_bundle()),
        }
    }

    /// The heading, and the authority.
    pub(super) fn begin(&self, certificates: &Certificates) -> Result<(), Failure> {
        if self.context.json {
            return Ok(());
        }
        let profile = if self.context.config.access.classroom {
            "classroom"
        } else {
            "—"
        };
        let other = match self.context.language {
            Language::English => "es",
            Language::Spanish => "en",
        };
        let version = env!("CARGO_PKG_VERSION");
        self.line(
            "up.heading",
            &[
                ("version", &version),
                ("profile", &profile),
                ("other", &other),
            ],
        )?;
        let name = certificates.authority.name();
        let print = certificates.authority.root_fingerprint().short();
        let key = if self.first {
            "up.authority_created"
        } else {
            "up.authority"
        };
        self.step(
            1,
            "up.step_authority",
            key,
            &[("name", &name), ("fingerprint", &print)],
        )
    }

    /// The broker, and the identities it will meet.
    pub(super) fn serving(
        &mut self,
        endpoint: &Endpoint,
        certificates: &Certificates,
    ) -> Result<(), Failure> {
        self.endpoint = Some(endpoint.clone());
        if self.context.json {
            return Ok(());
        }
        let server = &certificates.server;
        let port = endpoint.port;
        let names = names_for_people(server, &self.context.config.broker.names);
        let days = days_left(server);
        let key = match server.change {
            Change::Kept => "up.server",
            Change::Created | Change::Renewed => "up.server_named",
        };
        let label = self.context.say("up.step_server", &[("port", &port)]);
        self.labelled(2, &label, key, &[("names", &names), ("days", &days)])?;
        let days = days_left(&certificates.publisher).min(days_left(&certificates.subscriber));
        let changed = [&certificates.publisher, &certificates.subscriber]
            .iter()
            .any(|ready| ready.change != Change::Kept);
        let key = if changed {
            "up.identities_made"
        } else {
            "up.identities"
        };
        self.step(3, "up.step_identities", key, &[("days", &days)])
    }

    /// The positive self-test.
    pub(super) fn passed(&mut self, took: Duration) -> Result<(), Failure> {
        self.took = took;
        if self.context.json {
            return Ok(());
        }
        self.step(
            4,
            "up.step_passes",
            "up.passes",
            &[("took", &milliseconds(took))],
        )
    }

    /// The negative self-test.
    pub(super) fn refused(&self) -> Result<(), Failure> {
        if self.context.json {
            return Ok(());
        }
        self.step(5, "up.step_strangers", "up.strangers", &[])
    }

    /// Links and commands: everything is ready.
    pub(super) fn ready(&self, publisher: &str, subscriber: &str) -> Result<(), Failure> {
        let Some(endpoint) = &self.endpoint else {
            return Ok(());
        };
        let subscribe = self.command(endpoint, "mosquitto_sub", "-t 'chat/#'", &self.subscriber);
        let greeting = self.context.say("up.greeting", &[]);
        let message = format!("-t chat/mensaje -m '{greeting}'");
        let publish = self.command(endpoint, "mosquitto_pub", &message, &self.publisher);
        if self.context.json {
            let object = json!({
                "ready": true,
                "broker": endpoint.to_string(),
                "publisher": publisher,
                "subscriber": subscriber,
                "authority_sha256": self.fingerprint,
                "self_test_ms": self.took.as_secs_f64() * 1e3,
                "mosquitto_sub": subscribe,
                "mosquitto_pub": publish,
            });
            return output::line(&object.to_string());
        }
        let lines = [
            String::new(),
            self.context.say("up.publisher", &[("link", &publisher)]),
            self.context.say("up.subscriber", &[("link", &subscriber)]),
            String::new(),
            self.context.say("up.tools", &[]),
            format!("  {subscribe}"),
            format!("  {publish}"),
            String::new(),
            self.context.say("up.stop", &[]),
        ];
        output::line(&lines.join("\n"))
    }

    fn command(&self, endpoint: &Endpoint, tool: &str, what: &str, files: &Files) -> String {
        format!(
            "{tool} -h {} -p {} {what} -q 1 --cafile {} --cert {} --key {}",
            endpoint.host, endpoint.port, self.trust, files.certificate, files.key,
        )
    }

    fn step(
        &self,
        number: u8,
        label: &str,
        key: &str,
        values: &[(&str, &dyn Display)],
    ) -> Result<(), Failure> {
        let label = self.context.say(label, &[]);
        self.labelled(number, &label, key, values)
    }

    fn labelled(
        &self,
        number: u8,
        label: &str,
        key: &str,
        values: &[(&str, &dyn Display)],
    ) -> Result<(), Failure> {
        let text = self.context.say(key, values);
        if self.first {
            output::line(&format!("  {number}/5 {label:LABEL_WIDTH$} ✓ {text}"))
        } else {
            output::line(&format!("  {label:LABEL_WIDTH$} ✓ {text}"))
        }
    }

    fn line(&self, key: &str, values: &[(&str, &dyn Display)]) -> Result<(), Failure> {
        output::line(&self.context.say(key, values))
    }
}

/// The longest label, "Prueba de extremo a extremo".
const LABEL_WIDTH: usize = 27;

/// The names asked for, then those found; the rest of a long list is only counted.
fn names_for_people(server: &Ready, asked: &[String]) -> String {
    const FOUND_SHOWN: usize = 6;
    let found = server
        .pair
        .leaf()
        .names
        .iter()
        .filter(|name| !asked.contains(name));
    let count = found.clone().count();
    let shown: Vec<&str> = asked
        .iter()
        .chain(found.take(FOUND_SHOWN))
        .map(String::as_str)
        .collect();
    let mut text = shown.join(" ");
    if count > FOUND_SHOWN {
        text.push_str(&format!(" +{}", count - FOUND_SHOWN));
    }
    text
}

fn days_left(ready: &Ready) -> u64 {
    let left = ready
        .pair
        .leaf()
        .not_after
        .duration_since(SystemTime::now());
    // Rounded, so that a certificate of thirty days does not begin with 29.
    (left.unwrap_or_default().as_secs() + 43_200) / 86_400
}

fn milliseconds(took: Duration) -> String {
    let milliseconds = took.as_secs_f64() * 1e3;
    if milliseconds < 10.0 {
        format!("{milliseconds:.1}")
    } else {
        format!("{milliseconds:.0}")
    }
}

/// A path as a shell takes it.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_space_can_still_be_copied() {
        assert_eq!(
            shell_word(Path::new("enviomq-data/x.pem")),
            "enviomq-data/x.pem"
        );
        assert_eq!(shell_word(Path::new("mi aula's/x")), r"'mi aula'\''s/x'");
    }

    #[test]
    fn short_times_keep_a_decimal() {
        assert_eq!(milliseconds(Duration::from_micros(6_240)), "6.2");
        assert_eq!(milliseconds(Duration::from_millis(38)), "38");
    }
}
