//! The names and addresses a server certificate carries.

/// Every name and address this machine can be reached by, then `extra`; no duplicates.
pub fn default_server_names(extra: &[String]) -> Vec<String> {
    todo!()
}
