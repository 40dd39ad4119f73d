//! Settings: the one table of keys, with type, default and explanation.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::place::{Endpoint, Listen};
use super::sources::Values;
use super::unit::{ByteSize, Span};
use super::value::{AccessRule, FilterText, LogFormat, LogLevel, Setting, TopicText};
use crate::failure::Failure;

/// One key, as the example file, the reference page and error messages know it.
pub(crate) struct Key {
    /// `section.name`.
    pub(crate) path: &'static str,
    /// The section, which is also a table of the file.
    pub(crate) section: &'static str,
    /// The name inside the section.
    pub(crate) name: &'static str,
    /// The explanation, one line per element.
    pub(crate) explanation: &'static [&'static str],
    /// What may be written there, in words.
    pub(crate) kind: &'static str,
    /// Whether the file holds an array and the environment a comma-separated list.
    pub(crate) is_list: bool,
    /// The default as text; empty means "not set".
    pub(crate) default: &'static str,
    /// Checks a value without keeping it.
    pub(crate) check: fn(&super::Raw) -> Result<(), String>,
}

impl Key {
    /// The variable that sets this key.
    pub(crate) fn variable(&self) -> String {
        format!("ENVIOMQ_{}", self.path.replace('.', "_").to_uppercase())
    }
}

/// Declares every section as a struct, all of them as [`Config`], and [`KEYS`].
macro_rules! settings {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident {
            $( $(#[doc = $line:literal])+ $name:ident: $Type:ty = $default:literal, )+
        }
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug)]
            pub(crate) struct $Section {
                $( $(#[doc = $line])+ pub(crate) $name: $Type, )+
            }
        )+

        /// Every effective value, typed.
        #[derive(Clone, Debug)]
        pub(crate) struct Config {
            $( $(#[doc = $about])+ pub(crate) $section: $Section, )+
        }

        impl Config {
            /// Turns the effective values into their types.
            pub(crate) fn from_values(values: &Values) -> Result<Self, Failure> {
                Ok(Self {
                    $( $section: $Section {
                        $( $name: values.read::<$Type>(concat!(stringify!($section), ".", stringify!($name)))?, )+
                    }, )+
                })
            }
        }

        /// Every key there is, in the order of the example file.
        pub(crate) static KEYS: &[Key] = &[
            $( $( Key {
                path: concat!(stringify!($section), ".", stringify!($name)),
                section: stringify!($section),
                name: stringify!($name),
                explanation: &[$($line),+],
                kind: <$Type as Setting>::KIND,
                is_list: <$Type as Setting>::IS_LIST,
                default: $default,
                check: |raw| <$Type as Setting>::read(raw).map(drop),
            }, )+ )+
        ];

        /// Every section with its explanation, in the same order.
        pub(crate) static SECTIONS: &[(&str, &[&str])] = &[
            $( (stringify!($section), &[$($about),+]), )+
        ];
    };
}

settings! {
    /// What is written to the log (stderr), and how.
    log: Log {
        /// The least important line that is still written.
        level: LogLevel = "info",
        /// `auto` writes for people on a terminal and JSON lines otherwise.
        format: LogFormat = "auto",
    }

    /// The certificate authority that the first start creates.
    authority: Authority {
        /// Its name, as certificates and error messages show it.
        name: String = "Aula EnvioMQ",
    }

    /// The broker.
    broker: Broker {
        /// Where MQTT over TLS is served. A client certificate is always required.
        listen: Listen = "*:8883",
        /// Names and addresses for the server certificate, besides those found by itself
        /// (localhost, host name, network addresses). A missing one re-issues it at start.
        names: Vec<String> = "",
        /// Where `/healthz` and `/readyz` answer.
        health_listen: SocketAddr = "127.0.0.1:9883",
        /// Where new identities enrol with a join token. Not set: nobody can enrol from outside.
        enroll_listen: Option<Listen> = "",
        /// Folder in which the broker leaves the join tokens of publisher and subscriber,
        /// as `publisher/token` and `subscriber/token`, until each has enrolled.
        join_dir: Option<PathBuf> = "",
        /// The largest MQTT packet that is taken.
        packet_max_bytes: ByteSize = "2 MiB",
        /// The most connections at one time.
        connections_max: u32 = "10000",
        /// How many messages may wait for one slow receiver; beyond, QoS 0 ones are dropped.
        outbox_max_count: u32 = "10000",
        /// The same in bytes.
        outbox_max_bytes: ByteSize = "16 MiB",
        /// How many bytes of retained messages are held.
        retained_max_bytes: ByteSize = "256 MiB",
        /// The longest keep alive that is granted; longer ones are shortened to it (MQTT 5.0).
        /// `0 s` grants any.
        keep_alive_max: Span = "1 h",
        /// How long the session of an absent client is kept at most.
        session_expiry_max: Span = "7 d",
    }

    /// Who may publish and subscribe what.
    access: Access {
        /// The first five minutes must work: with `true`, every identity of ours may use
        /// `chat/#`, `demo/#` and `articulos/#`, and `subscriber` may read everything.
        classroom: bool = "true",
        /// More permissions, one per line: identity (`*` for all of ours), `publish` or
        /// `subscribe`, topic filter.
        allow: Vec<AccessRule> = "",
    }

    /// The publisher: the page that sends.
    publisher: Publisher {
        /// Where its page is served.
        listen: SocketAddr = "127.0.0.1:8000",
        /// An address other than loopback is refused unless this is `true`: the page has a
        /// login but no encryption of its own.
        allow_remote: bool = "false",
        /// Host names under which browsers reach the page, besides localhost.
        hosts: Vec<String> = "",
        /// The address that login links begin with. Not set: `http://localhost` and the port.
        url: Option<String> = "",
        /// The broker to connect to.
        broker: Endpoint = "localhost:8883",
        /// Where to enrol when there is no identity yet but a join token. Not set: the host of
        /// `broker`, port 8884.
        enroll: Option<Endpoint> = "",
        /// The topic that the form starts with.
        topic: TopicText = "chat/mensaje",
        /// The longest message the form takes.
        message_max_bytes: ByteSize = "1 MiB",
        /// How long the record of what was sent is kept.
        history_max_age: Span = "30 d",
        /// How large that record may grow; the oldest rows go first.
        history_max_bytes: ByteSize = "1 GiB",
    }

    /// The subscriber: the page that receives and keeps.
    subscriber: Subscriber {
        /// Where its page is served.
        listen: SocketAddr = "127.0.0.1:8001",
        /// An address other than loopback is refused unless this is `true`: the page has a
        /// login but no encryption of its own.
        allow_remote: bool = "false",
        /// Host names under which browsers reach the page, besides localhost.
        hosts: Vec<String> = "",
        /// The address that login links begin with. Not set: `http://localhost` and the port.
        url: Option<String> = "",
        /// The broker to connect to.
        broker: Endpoint = "localhost:8883",
        /// Where to enrol when there is no identity yet but a join token. Not set: the host of
        /// `broker`, port 8884.
        enroll: Option<Endpoint> = "",
        /// What it subscribes to.
        filters: Vec<FilterText> = "#",
        /// How long a message is kept.
        history_max_age: Span = "30 d",
        /// How large the history may grow; the oldest messages go first.
        history_max_bytes: ByteSize = "1 GiB",
    }
}
