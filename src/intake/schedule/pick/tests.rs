//! Looks at real directories, at times of our own.

use super::*;

const WHOLE: &[u8] = b"customer\na.example\n";

struct Case {
    directory: tempfile::TempDir,
    watch: PickWatch,
    place: FilePlace,
    pick: Pick,
}

impl Case {
    fn new(name: &str, pick: Pick) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let place = FilePlace {
            directory: directory.path().to_owned(),
            name: name.to_owned(),
            is_pattern: name.contains('*'),
        };
        Self {
            directory,
            watch: PickWatch::default(),
            place,
            pick,
        }
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.directory.path().join(name), content).expect("written");
    }

    /// What a look at that second finds; files by their names.
    fn at(&mut self, second: i64) -> Result<Vec<String>, Picked> {
        // Whatever file system the tests run on.
        let picked = self.watch.look(&self.place, self.pick, second * 1000).expect("a look");
        let Picked::Files(files) = picked else {
            return Err(picked);
        };
        let name = |path: &PathBuf| {
            path.strip_prefix(self.directory.path())
                .map(Path::display)
                .map(|name| name.to_string())
        };
        Ok(files.iter().map(|path| name(path).expect("in the directory")).collect())
    }

    fn waits(&mut self, second: i64, why: &str) {
        match self.at(second) {
            Err(Picked::NotYet(told)) => assert!(told.contains(why), "{told}"),
            other => panic!("{other:?} at {second}"),
        }
    }
}

#[test]
fn a_file_is_taken_once_it_has_stayed_the_same() {
    let mut case = Case::new("users.csv", Pick::One);
    assert_eq!(case.at(0), Err(Picked::Missing));
    case.write("users.csv", WHOLE);
    case.waits(1, "may still be written to");
    case.waits(5, "may still be written to");
    // It grows, and everything begins anew.
    case.write("users.csv", b"customer\na.example\nb.example\n");
    case.waits(20, "may still be written to");
    case.waits(24, "may still be written to");
    assert_eq!(case.at(30), Ok(vec!["users.csv".to_owned()]));
}

#[test]
fn a_file_without_its_end_waits() {
    let mut case = Case::new("users.csv", Pick::One);
    case.write("users.csv", b"");
    case.waits(0, "may still be written to");
    case.waits(100, "it is empty");
    case.write("users.csv", b"customer\na.example");
    case.waits(200, "may still be written to");
    case.waits(210, "its last line does not end");
    assert_eq!(case.at(230), Ok(vec!["users.csv".to_owned()]), "some files end so");
    case.write("users.csv", &[WHOLE, &[0; 100]].concat());
    case.waits(300, "may still be written to");
    case.waits(400, "it ends with zeros");
    let mut packed = Case::new("users.csv.gz", Pick::One);
    packed.write("users.csv.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]);
    packed.waits(0, "may still be written to");
    packed.waits(20, "gzip data ends too early");
}

#[test]
fn of_several_files_one_the_newest_or_all_are_read() {
    let names = ["users-9.csv", "users-10.csv", "users-2.csv"];
    let fill = |case: &Case| {
        for name in names {
            case.write(name, WHOLE);
        }
        case.write("other.csv", WHOLE);
        case.write(".users-11.csv", WHOLE);
        case.write("users-12.csv.part", WHOLE);
        std::fs::create_dir(case.directory.path().join("users-13.csv")).expect("a directory");
    };
    let mut one = Case::new("users-*.csv*", Pick::One);
    fill(&one);
    let told = ["users-2.csv", "users-9.csv", "users-10.csv"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(one.at(0), Err(Picked::Several(told.clone(), 3)));
    let mut newest = Case::new("users-*.csv*", Pick::Newest);
    fill(&newest);
    newest.waits(0, "may still be written to");
    assert_eq!(newest.at(10), Ok(vec!["users-10.csv".to_owned()]));
    let mut all = Case::new("users-*.csv*", Pick::All);
    fill(&all);
    all.waits(0, "`users-2.csv`: it may still be written to");
    assert_eq!(all.at(10), Ok(told));
    // One more makes all of them wait: they are read in order.
    all.write("users-3.csv", WHOLE);
    all.waits(11, "`users-3.csv`: it may still be written to");
    assert_eq!(all.at(21).map(|files| files.len()), Ok(4));
    let mut none = Case::new("nobody-*.csv", Pick::One);
    fill(&none);
    assert_eq!(none.at(0), Err(Picked::Missing));
}

#[test]
fn a_missing_directory_has_no_file_and_an_irregular_file_is_an_error() {
    let mut case = Case::new("users.csv", Pick::One);
    case.place.directory = case.directory.path().join("2027-01-03");
    assert_eq!(case.at(0), Err(Picked::Missing));
    let mut case = Case::new("users.csv", Pick::One);
    std::fs::create_dir(case.directory.path().join("users.csv")).expect("a directory");
    let error = case.watch.look(&case.place, case.pick, 0).expect_err("a directory");
    assert!(error.to_string().contains("no regular file"), "{error}");
    let mut case = Case::new("latest.csv", Pick::One);
    case.write("users.csv", WHOLE);
    let link = case.directory.path().join("latest.csv");
    std::os::unix::fs::symlink("users.csv", link).expect("a link");
    case.waits(0, "may still be written to");
    assert_eq!(
        case.at(10),
        Ok(vec!["latest.csv".to_owned()]),
        "links of the configured name are followed"
    );
}

#[test]
fn a_directory_full_of_files_is_counted_and_few_names_are_kept() {
    let mut case = Case::new("*.csv", Pick::One);
    (0..300).for_each(|at| case.write(&format!("{at}.csv"), WHOLE));
    let Err(Picked::Several(told, 300)) = case.at(0) else {
        panic!("not several")
    };
    assert_eq!(told, ["0.csv", "1.csv", "2.csv", "3.csv", "4.csv"]);
}
