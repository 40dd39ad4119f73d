//! The publisher and the subscriber: two ordinary MQTT clients, each with a web page.
//!
//! Neither knows the broker other than through [`client`], and neither knows the other.
//! The pages work without JavaScript and become live with it, through server-sent events.
//!
//! | module | its one thought |
//! |---|---|
//! | [`publisher`] | send, and show what truly became of each message |
//! | [`subscriber`] | store what arrives, then acknowledge it, then show it |
//! | [`web`] | the shell both pages stand in: guards, login, layout, live stream |
//! | [`language`] | Spanish and English |
//! | `link` | the state of the connection to the broker, in words for a page |

rust_i18n::i18n!("locales");

pub mod language;
mod link;
pub mod publisher;
pub mod subscriber;
#[cfg(test)]
mod testing;
pub mod web;

pub use language::Language;
pub use publisher::PublisherConfig;
pub use subscriber::SubscriberConfig;
pub use web::identity::{LoginError, LoginLinks};
pub use web::{ServiceError, WebConfig};
