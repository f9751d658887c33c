//! Helpers of the folder's tests.

use crate::config::{Config, FolderConfig};

/// A folder named `users` with these keys.
pub(super) fn folder(keys: &[(&str, &str)]) -> FolderConfig {
    let mut flags = vec![("folders.users.path".to_owned(), "/srv/drop/users".to_owned())];
    flags.extend(
        keys.iter()
            .map(|(key, value)| (format!("folders.users.{key}"), (*value).to_owned())),
    );
    let mut config = Config::from_layers(None, [], flags).expect("sound");
    config.folders.remove("users").expect("the folder")
}
