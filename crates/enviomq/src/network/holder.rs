//! Holder: which process listens on a port, as far as `/proc` tells us.

use std::fs;
use std::path::Path;

/// Names the process that listens on `port`, or `None` where that cannot be known
/// (another system, or a process of another user).
pub(crate) fn holder_of(port: u16) -> Option<String> {
    let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_inodes(&table, port))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc")
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .filter(|entry| holds(&entry.path(), &sockets))
        .find_map(|entry| {
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            let process = entry.file_name();
            Some(format!(
                "{} · pid {}",
                name.trim(),
                process.to_string_lossy()
            ))
        })
}

/// The socket inodes of the lines in state LISTEN (0A) whose local port is `port`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            (local.ends_with(&suffix) && *state == "0A").then(|| format!("socket:[{inode}]"))
        })
        .collect()
}

fn holds(process: &Path, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    descriptors
        .filter_map(Result::ok)
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| {
            sockets
                .iter()
                .any(|socket| target.as_os_str() == socket.as_str())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_of_the_port_are_taken() {
        let table = "  sl  local_address rem_address   st tx rx tr tm retr uid timeout inode\n\
             0: 00000000:22B3 00000000:0000 0A 0:0 00:0 0 0 0 4711 1\n\
             1: 0100007F:22B3 0100007F:9999 01 0:0 00:0 0 0 0 4712 1\n\
             2: 00000000:22B4 00000000:0000 0A 0:0 00:0 0 0 0 4713 1\n";
        assert_eq!(listening_inodes(table, 8883), ["socket:[4711]"]);
    }
}
