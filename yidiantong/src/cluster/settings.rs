//! What PostgreSQL is told: modest for a district's server, and never careless.

use super::PORT;
use super::folders::Folders;

/// Who may connect: whoever can enter the socket's folder, and nobody else.
pub(super) const HBA: &str = "\
# Written anew at each start.
local all all trust
";

/// What nobody may change, given as arguments to the postmaster.
pub(super) fn fixed(folders: &Folders) -> Vec<String> {
    vec![
        format!("config_file={}", folders.server_settings().display()),
        format!("hba_file={}", folders.hba_settings().display()),
        // The title of each of its processes carries this name: that is how leftovers are known.
        format!("cluster_name={}", folders.name),
        format!("unix_socket_directories={}", folders.socket.display()),
        format!("port={PORT}"),
        "listen_addresses=".to_owned(),
        "unix_socket_permissions=0700".to_owned(),
        "update_process_title=on".to_owned(),
        "fsync=on".to_owned(),
        "full_page_writes=on".to_owned(),
    ]
}

/// The settings file. `alter system` and `local.conf` may change what is in it.
pub(super) fn server(folders: &Folders) -> String {
    format!(
        "\
# Written anew at each start. Put your own settings into local.conf beside it.
max_connections = 100
shared_buffers = 192MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
random_page_cost = 1.1
# Compiling a query takes longer than any of ours runs.
jit = off

synchronous_commit = on
wal_compression = on
min_wal_size = 80MB
max_wal_size = 1GB
checkpoint_completion_target = 0.9

# What a killed server leaves in memory then lies in its own folder, and the next start removes it. It also keeps us
# clear of containers with a small /dev/shm, and of systemd's RemoveIPC when a person logs out.
dynamic_shared_memory_type = mmap

# A client that was killed must not keep its row locks.
client_connection_check_interval = 5s
idle_in_transaction_session_timeout = 60s

timezone = UTC
lc_messages = C

# A file a weekday, each overwritten a week later. Terse and without parameters: a log is no place for a person's data.
logging_collector = on
log_directory = '{log}'
log_filename = 'postgres-%a.log'
log_file_mode = 0600
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
log_timezone = UTC
log_error_verbosity = terse
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_error_statement = panic
log_line_prefix = '%m [%p] %q%d '

include_if_exists '{local}'
",
        log = quoted(&folders.log),
        local = quoted(&folders.local_settings()),
    )
}

/// A path inside the single quotes of a settings file.
fn quoted(path: &std::path::Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace('\'', "''")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_path_cannot_end_the_setting() {
        assert_eq!(quoted(std::path::Path::new("/a'b\\c")), "/a''b\\\\c");
    }
}
