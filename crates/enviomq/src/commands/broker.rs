//! `enviomq broker`: the broker alone, as its container runs it.

use std::sync::Arc;

use super::Outcome;
use crate::certificates;
use crate::context::Context;
use crate::data_folder::DataFolder;
use crate::failure::{Exit, Failure};
use crate::network::{Binder, Takes};
use crate::roles::broker::{self, Listeners};
use crate::{output, shutdown};

pub(crate) async fn run(context: &Context) -> Outcome {
    let stop = shutdown::on_signal().map_err(|error| Failure::new("ENV-P803").because(error))?;
    let data = DataFolder::at(&context.data_dir);
    let _claim = data.claim("broker")?;
    let mut binder = Binder::new(format!("enviomq broker{}", context.data_dir_flag()));
    let config = &context.config;
    let listeners = Listeners::bind(config, &mut binder, "--listen", Takes::Address);
    binder.finish()?;
    let listeners = listeners.expect("invariant: the binder explains whatever it did not bind");
    let (authority, _) = certificates::authority(&data, &config.authority.name)?;
    let ready = certificates::server(&data, &authority, &config.broker.names)?;
    let broker = broker::start(context, listeners, Arc::new(authority), &ready.pair)?;

    if context.json {
        let object = serde_json::json!({ "ready": true, "broker": broker.endpoint.to_string() });
        output::line(&object.to_string())?;
    } else {
        let names = ready.pair.leaf().names.join(" ");
        let port = broker.endpoint.port;
        output::line(&context.say("broker.ready", &[("port", &port), ("names", &names)]))?;
    }
    stop.cancelled().await;
    broker.stop().await;
    Ok(Exit::Ok)
}
