//! `enviomq link`: a new one-time login link for a page that is running, or will be.

use std::time::SystemTime;

use services::LoginLinks;

use super::Outcome;
use crate::cli::Page;
use crate::context::Context;
use crate::data_folder::{DataFolder, Running};
use crate::failure::Exit;
use crate::output;
use crate::roles::page::page_url;

pub(crate) fn run(context: &Context, page: Page) -> Outcome {
    let data = DataFolder::at(&context.data_dir);
    let links = LoginLinks::open(&data.role(page.name()).join("login"))?;
    let secret = links.mint(SystemTime::now())?;
    let address = Running::read(&data, page.name())
        .map_or_else(|| page_url(context, page), |running| running.address);
    let link = format!("{address}/login?t={secret}");
    if context.json {
        output::line(&serde_json::json!({ "link": link }).to_string())?;
    } else {
        output::line(&context.say("link.printed", &[("link", &link)]))?;
    }
    Ok(Exit::Ok)
}
