//! Failure: what a command tells a person when it cannot go on.
//!
//! Always four things: a stable code, what happened, the evidence, and one
//! command that mends it. The words come from the catalogue (`failure.CODE`);
//! code and evidence are the same in every language, so they can be searched for.

use std::fmt::Display;

use pki::printable;

use crate::language::Language;

/// How a process ends. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    RefusedByPolicy = 5,
    DeniedByAccessRules = 6,
    NoReceiptInTime = 7,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure on its way to a person.
///
/// Boxed inside, so that a `Result` which carries one stays small.
#[derive(Debug)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: &'static str,
    values: Vec<(&'static str, String)>,
    evidence: Vec<String>,
    command: Option<String>,
    exit: Exit,
}

impl Failure {
    /// A failure whose texts are `failure.CODE.what` and `failure.CODE.mend`.
    pub(crate) fn new(code: &'static str) -> Self {
        Self(Box::new(Parts {
            code,
            values: Vec::new(),
            evidence: Vec::new(),
            command: None,
            exit: Exit::Failed,
        }))
    }

    /// Fills `%{name}` in both texts.
    pub(crate) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.0
            .values
            .push((name, printable(&value.to_string()).into_owned()));
        self
    }

    /// Adds a line of evidence: an error as the system said it, a path, a process.
    /// What is foreign stays one line.
    pub(crate) fn because(mut self, evidence: impl Display) -> Self {
        self.0
            .evidence
            .push(printable(&evidence.to_string()).into_owned());
        self
    }

    /// Adds several lines of evidence.
    pub(crate) fn because_lines(self, lines: impl IntoIterator<Item = impl Display>) -> Self {
        lines.into_iter().fold(self, Self::because)
    }

    /// The command to copy.
    pub(crate) fn mend(mut self, command: impl Into<String>) -> Self {
        self.0.command = Some(printable(&command.into()).into_owned());
        self
    }

    /// Ends the process with something else than "failed".
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.0.exit = exit;
        self
    }

    /// How the process should end.
    pub(crate) fn exit_code(&self) -> Exit {
        self.0.exit
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.0.code
    }

    fn fill(&self, language: Language, part: &str) -> String {
        let values: Vec<(&str, &dyn Display)> = self
            .0
            .values
            .iter()
            .map(|(name, value)| (*name, value as &dyn Display))
            .collect();
        language.say(&format!("failure.{}.{part}", self.0.code), &values)
    }

    /// What happened, in one sentence: the full one where the evidence for it is there.
    pub(crate) fn what(&self, language: Language) -> String {
        let full = format!("failure.{}.full", self.0.code);
        match language.find(&full).map(|_| self.fill(language, "full")) {
            Some(text) if !text.contains("%{") => text,
            _ => self.fill(language, "what"),
        }
    }

    /// The command to copy: the one given, or else the usual one for this code.
    fn command(&self, language: Language) -> Option<String> {
        self.0.command.clone().or_else(|| {
            language
                .find(&format!("failure.{}.command", self.0.code))
                .map(|_| self.fill(language, "command"))
                .filter(|command| !command.contains("%{"))
        })
    }

    /// The whole message, ready for a terminal.
    pub(crate) fn render(&self, language: Language) -> String {
        let mut text = format!("✗ {}  {}", self.0.code, self.what(language));
        for evidence in &self.0.evidence {
            text.push_str(&format!("\n    {evidence}"));
        }
        text.push_str(&format!("\n  → {}", self.fill(language, "mend")));
        if let Some(command) = self.command(language) {
            text.push_str(&format!("\n      {command}"));
        }
        text
    }

    /// The same as one JSON line, for `--json`.
    pub(crate) fn to_json(&self, language: Language) -> String {
        serde_json::json!({
            "error": {
                "code": self.0.code,
                "what": self.what(language),
                "evidence": self.0.evidence,
                "advice": self.fill(language, "mend"),
                "command": self.command(language),
                "exit": self.0.exit as u8,
            }
        })
        .to_string()
    }
}

impl From<pki::PkiError> for Failure {
    fn from(error: pki::PkiError) -> Self {
        Self::told(error.code(), error.fields(), &error.to_string())
    }
}

impl From<services::LoginError> for Failure {
    fn from(error: services::LoginError) -> Self {
        Self::new("ENV-P704").because(error)
    }
}

impl From<services::ServiceError> for Failure {
    fn from(error: services::ServiceError) -> Self {
        Self::new(error.code()).because(error)
    }
}

impl From<pki::Refusal> for Failure {
    fn from(refusal: pki::Refusal) -> Self {
        Self::told(refusal.code, refusal.fields(), &refusal.detail).exit(Exit::RefusedByPolicy)
    }
}

impl Failure {
    /// A library's error: its sentence is evidence unless ours says the same with its fields.
    fn told(code: &'static str, fields: Vec<(&'static str, String)>, detail: &str) -> Self {
        let failure = fields
            .into_iter()
            .fold(Self::new(code), |failure, (name, value)| {
                failure.with(name, value)
            });
        let plain = Language::English.text(&format!("failure.{code}.what"));
        if failure.what(Language::English) == plain {
            failure.because(detail)
        } else {
            failure
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port_taken() -> Failure {
        Failure::new("ENV-N320")
            .with("address", "*:8883")
            .because("mosquitto, process 812, listens there")
            .mend("enviomq up --port 8884")
    }

    #[test]
    fn a_failure_reads_the_same_way_in_both_languages() {
        assert_eq!(
            port_taken().render(Language::English),
            "✗ ENV-N320  The address *:8883 is already taken.\n    \
             mosquitto, process 812, listens there\n  \
             → stop what holds it, or choose another port:\n      enviomq up --port 8884"
        );
        assert_eq!(
            port_taken().render(Language::Spanish),
            "✗ ENV-N320  La dirección *:8883 ya está ocupada.\n    \
             mosquitto, process 812, listens there\n  \
             → detén lo que la ocupa o elige otro puerto:\n      enviomq up --port 8884"
        );
    }

    #[test]
    fn the_json_form_is_one_line_with_the_same_code() {
        let json = port_taken().to_json(Language::Spanish);
        assert!(!json.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["error"]["code"], "ENV-N320");
        assert_eq!(value["error"]["command"], "enviomq up --port 8884");
        assert_eq!(value["error"]["exit"], 1);
    }

    #[test]
    fn foreign_text_neither_forges_a_line_nor_acts_on_a_terminal() {
        let foreign = "\u{1b}[2J\r\n✗ ENV-X000 \u{202e}señal";
        let failure = Failure::new("ENV-N320")
            .with("address", foreign)
            .because(foreign)
            .because_lines(["first of ours", foreign].map(str::to_owned))
            .mend(format!("ls {foreign}"));
        let text = failure.render(Language::English);
        assert_eq!(text.lines().count(), 6, "{text}");
        assert!(
            !text.replace('\n', "").contains(char::is_control),
            "{text:?}"
        );
        assert!(!text.contains('\u{202e}'), "{text:?}");
        let shown = "\\u{1b}[2J\\u{d}\\u{a}✗ ENV-X000 \\u{202e}señal";
        assert_eq!(text.matches(shown).count(), 4, "{text}");
    }
}
