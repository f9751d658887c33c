//! Which module uses what of which other: in one direction only, and in the order that `src/lib.rs` states.
//!
//! Paths are read from the source, names that pass through a module (`pub use`) are followed to where they are from, and
//! tests beside the code may look anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::Visit;

type Name = Vec<String>;

/// A use of something of another module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    from: Name,
    to: Name,
    place: String,
}

/// The modules below a directory, and what they use of each other.
struct Modules {
    names: BTreeSet<Name>,
    imports: BTreeSet<Import>,
}

/// What one file says.
struct Seen {
    module: Name,
    file: PathBuf,
    /// Paths as they are written.
    paths: Vec<Vec<String>>,
    /// Names that are used in from elsewhere: what they are here, and the path they are of.
    names: BTreeMap<String, Vec<String>>,
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        // Tests beside the code may look anywhere.
        if module.ident != "tests" {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if parts.len() > 1 {
            self.paths.push(parts);
        }
        syn::visit::visit_path(self, path);
    }
}

impl Seen {
    fn tree(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Group(group) => {
                for one in &group.items {
                    self.tree(one, before);
                }
            }
            syn::UseTree::Name(name) => self.used(before, &name.ident, &name.ident),
            syn::UseTree::Rename(rename) => self.used(before, &rename.ident, &rename.rename),
            syn::UseTree::Glob(_) => {
                self.paths.push(before.clone());
            }
        }
    }

    fn used(&mut self, before: &[String], name: &syn::Ident, here: &syn::Ident) {
        let mut path = before.to_vec();
        if name != "self" {
            path.push(name.to_string());
        }
        let here = if here == "self" {
            path.last().cloned().unwrap_or_default()
        } else {
            here.to_string()
        };
        self.names.insert(here, path.clone());
        self.paths.push(path);
    }
}

impl Modules {
    fn read(src: &Path) -> Self {
        let mut seen = Vec::new();
        read_below(src, &mut Vec::new(), &mut seen);
        let names: BTreeSet<Name> = seen.iter().map(|one: &Seen| one.module.clone()).collect();
        let by_module: BTreeMap<&Name, &Seen> = seen.iter().map(|one| (&one.module, one)).collect();
        let mut imports = BTreeSet::new();
        for one in &seen {
            for path in &one.paths {
                let Some(to) = resolve(&names, &by_module, &one.module, path, 0) else {
                    continue;
                };
                if to != one.module {
                    imports.insert(Import {
                        from: one.module.clone(),
                        to,
                        place: format!("{}: {}", one.file.display(), path.join("::")),
                    });
                }
            }
        }
        Self { names, imports }
    }

    /// Circles between modules that have the same parent, each with the parent and the lines that make it.
    fn circles(&self) -> Vec<(Name, Vec<String>, Vec<String>)> {
        let mut circles = Vec::new();
        for parent in &self.names {
            let depth = parent.len();
            let mut edges: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
            for import in &self.imports {
                let below = |name: &Name| name.len() > depth && name.starts_with(parent);
                if below(&import.from) && below(&import.to) && import.from[depth] != import.to[depth] {
                    let edge = (import.from[depth].clone(), import.to[depth].clone());
                    edges.entry(edge).or_default().push(&import.place);
                }
            }
            for knot in knots(&edges) {
                let inner = edges.iter().filter(|((a, b), _)| knot.contains(a) && knot.contains(b));
                let lines = inner.map(|((a, b), places)| format!("{a} -> {b} ({}): {}", places.len(), places[0]));
                circles.push((parent.clone(), knot.iter().cloned().collect(), lines.collect()));
            }
        }
        circles
    }
}

fn knots(edges: &BTreeMap<(String, String), Vec<&str>>) -> Vec<BTreeSet<String>> {
    let nodes: BTreeSet<&String> = edges.keys().flat_map(|(a, b)| [a, b]).collect();
    let reach = |from: &String| {
        let mut found: BTreeSet<String> = BTreeSet::new();
        let mut todo = vec![from.clone()];
        while let Some(at) = todo.pop() {
            for (a, b) in edges.keys() {
                if *a == at && found.insert(b.clone()) {
                    todo.push(b.clone());
                }
            }
        }
        found
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = nodes.iter().map(|node| (*node, reach(node))).collect();
    let mut knots: Vec<BTreeSet<String>> = Vec::new();
    for node in &nodes {
        let knot: BTreeSet<String> = reached[node]
            .iter()
            .filter(|other| reached[other].contains(*node))
            .cloned()
            .collect();
        if knot.contains(*node) && !knots.contains(&knot) {
            knots.push(knot);
        }
    }
    knots
}

fn read_below(directory: &Path, module: &mut Name, seen: &mut Vec<Seen>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .collect();
    entries.sort();
    for path in entries {
        let stem = path
            .file_stem()
            .expect("readable")
            .to_str()
            .expect("readable")
            .to_owned();
        if path.is_dir() {
            module.push(stem);
            read_below(&path, module, seen);
            module.pop();
        } else if path.extension().is_some_and(|end| end == "rs") && stem != "tests" && stem != "main" {
            let mut name = module.clone();
            if stem != "lib" {
                name.push(stem);
            }
            let mut one = Seen {
                module: name,
                file: path.clone(),
                paths: Vec::new(),
                names: BTreeMap::new(),
            };
            let text = std::fs::read_to_string(&path).expect("readable");
            one.visit_file(&syn::parse_file(&text).expect("readable"));
            seen.push(one);
        }
    }
}

/// The module that has what a path names, if it is one of ours. Names that a module has used in are of where they are from.
fn resolve(
    names: &BTreeSet<Name>,
    by_module: &BTreeMap<&Name, &Seen>,
    module: &Name,
    path: &[String],
    depth: usize,
) -> Option<Name> {
    if depth > 20 {
        return None;
    }
    let mut at = module.clone();
    let mut rest = path;
    match rest.first()?.as_str() {
        "crate" => {
            at.clear();
            rest = &rest[1..];
        }
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                at.pop()?;
                rest = &rest[1..];
            }
        }
        "self" => rest = &rest[1..],
        first => {
            // A module below, or a name that was used in, which has been seen there.
            let mut below = at.clone();
            below.push(first.to_owned());
            if !names.contains(&below) {
                return None;
            }
        }
    }
    while let Some(first) = rest.first() {
        let mut below = at.clone();
        below.push(first.clone());
        if names.contains(&below) {
            at = below;
            rest = &rest[1..];
            continue;
        }
        // Something of `at`: its own, or used in.
        if at != *module
            && let Some(of) = by_module.get(&at).and_then(|seen| seen.names.get(first))
        {
            let whole: Vec<String> = of.iter().cloned().chain(rest[1..].iter().cloned()).collect();
            return resolve(names, by_module, &at, &whole, depth + 1);
        }
        break;
    }
    Some(at)
}

/// Highest first, as the map in the crate's root has them, if it has one.
fn stated_order(src: &Path) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(src.join("lib.rs")).expect("a crate root");
    let map = text.split("//! ```text\n").nth(1)?.split("//! ```").next()?;
    let names = map
        .lines()
        .filter_map(|line| line.strip_prefix("//! ")?.split_whitespace().next());
    Some(names.map(str::to_owned).collect())
}

/// The sources of every crate here. That they depend on each other in one direction is for Cargo to see to.
fn crates() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let below = std::fs::read_dir(root.join("crates")).expect("crates");
    let mut all: Vec<PathBuf> = below.map(|one| one.expect("readable").path().join("src")).collect();
    all.extend([root.join("src"), root.join("jobs/src")]);
    all
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let circles = crates().into_iter().flat_map(|src| Modules::read(&src).circles());
    let told: Vec<String> = circles
        .map(|(parent, knot, lines)| format!("{}: {}\n  {}", parent.join("::"), knot.join(", "), lines.join("\n  ")))
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn imports_follow_the_order_of_the_map() {
    let with_a_map = crates().into_iter().filter_map(|src| Some((stated_order(&src)?, src)));
    let mut maps = 0;
    for (order, src) in with_a_map {
        maps += 1;
        let modules = Modules::read(&src);
        let there: BTreeSet<&String> = modules.names.iter().filter_map(|name| name.first()).collect();
        assert_eq!(
            order.iter().collect::<BTreeSet<_>>(),
            there,
            "the map names each module"
        );
        let place = |name: &Name| order.iter().position(|one| Some(one) == name.first());
        let upward: Vec<&str> = modules
            .imports
            .iter()
            .filter(|import| place(&import.to).is_some() && place(&import.from) > place(&import.to))
            .map(|import| import.place.as_str())
            .collect();
        assert!(upward.is_empty(), "upwards:\n{}", upward.join("\n"));
    }
    assert!(maps >= 2, "the program and what it stands on have maps");
}

/// The crate of a service that is a store, as the program names it, and who may know it: those who configure and build it.
const SERVICE: [&str; 2] = ["crate", "partner_center"];
const SERVICE_CRATE: &str = "tenantry_partner_center";
const KNOW_SERVICES: [&str; 2] = ["config", "registry"];

/// Uses of the service, each with the module it is in.
fn uses_of_the_service(src: &Path) -> Vec<(Name, String)> {
    let mut seen = Vec::new();
    read_below(src, &mut Vec::new(), &mut seen);
    let is_of = |path: &Vec<String>| path.starts_with(&SERVICE.map(str::to_owned)) || path[0] == SERVICE_CRATE;
    let uses = seen.iter().flat_map(|one| {
        let paths = one.paths.iter().filter(|path| is_of(path));
        paths.map(|path| {
            (
                one.module.clone(),
                format!("{}: {}", one.file.display(), path.join("::")),
            )
        })
    });
    // The root passes the crate on under its shorter name.
    uses.filter(|(module, _)| !module.is_empty()).collect()
}

fn may_know(module: &Name) -> bool {
    module
        .first()
        .is_some_and(|first| KNOW_SERVICES.contains(&first.as_str()))
}

#[test]
fn only_configuration_and_registry_know_the_services() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let uses = uses_of_the_service(&root.join("src"));
    let wrong: Vec<&str> = uses
        .iter()
        .filter(|(module, _)| !may_know(module))
        .map(|(_, place)| place.as_str())
        .collect();
    assert!(wrong.is_empty(), "go through `store::remote`:\n{}", wrong.join("\n"));
    let is_used = |by: &&str| uses.iter().any(|(module, _)| module[0] == **by);
    assert!(KNOW_SERVICES.iter().all(is_used), "the test sees those who may");
    for src in crates() {
        let manifest = src.parent().expect("a crate").join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("a manifest");
        let is_its_own = text.contains("name = \"tenantry-partner-center\"");
        let depends = text.contains("tenantry-partner-center = ");
        assert!(
            !depends || is_its_own || manifest == root.join("Cargo.toml"),
            "{} depends on a service",
            manifest.display()
        );
    }
}

/// A store beside Partner Center can be built of it only as long as it knows neither that one nor how jobs are run.
#[test]
fn the_kit_of_stores_knows_no_store_and_nothing_of_the_program() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/store/src");
    let kit = ["kit".to_owned()];
    let imports = Modules::read(&src).imports;
    let of_kit = imports.iter().filter(|import| import.from.starts_with(&kit));
    let mut outside: Vec<String> = of_kit
        .filter(|import| !import.to.starts_with(&kit))
        .map(|import| import.place.clone())
        .collect();
    let mut seen = Vec::new();
    read_below(&src.join("kit"), &mut kit.to_vec(), &mut seen);
    for one in &seen {
        let of_ours = one.paths.iter().filter(|path| path[0].starts_with("tenantry_"));
        let wrong = of_ours.filter(|path| path[0] != "tenantry_foundation");
        outside.extend(wrong.map(|path| format!("{}: {}", one.file.display(), path.join("::"))));
    }
    assert!(outside.is_empty(), "out of the kit:\n{}", outside.join("\n"));
    let files = seen.iter().map(|one| one.file.clone());
    let mut read = 0;
    for file in files.chain([src.join("kit.rs")]) {
        read += 1;
        let text = std::fs::read_to_string(&file).expect("readable").to_lowercase();
        for name in ["partner_center", "partnercenter", "partner center", "partner-center"] {
            assert!(!text.contains(name), "{} names {name}", file.display());
        }
    }
    assert!(read > 5, "the kit's files are there");
}

/// The test can fail: a circle through a name that is passed on, and an import against the order, are found.
#[test]
fn circles_are_found_through_reexports() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    };
    write("lib.rs", "mod high; mod low;");
    write("high.rs", "mod part; pub use part::Thing; fn f() { crate::low::g(); }");
    write("high/part.rs", "pub struct Thing;");
    write("low.rs", "pub fn g() {} fn h() -> Option<crate::high::Thing> { None }");
    let modules = Modules::read(directory.path());
    let circles = modules.circles();
    assert_eq!(circles.len(), 1);
    assert_eq!(circles[0].1, ["high", "low"]);
    let to = |name: &str| modules.imports.iter().any(|import| import.to.join("::") == name);
    assert!(to("high::part"), "what is passed on is found where it is from");
    write("low.rs", "pub fn g() {}");
    assert!(Modules::read(directory.path()).circles().is_empty());
}

/// That test can fail too, whether a use is by itself or one of a group.
#[test]
fn uses_of_a_service_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    write("lib.rs", "pub use tenantry_partner_center as partner_center;");
    write("registry.rs", "use crate::partner_center::PartnerCenter;");
    write("runner.rs", "fn f(store: &crate::partner_center::PartnerCenter) {}");
    write("plan.rs", "use crate::{config, partner_center::TokenKind};");
    write("undo.rs", "use tenantry_partner_center::TokenKind;");
    write("cli.rs", "fn f(config: Config) { config.partner_center.enabled; }");
    let uses = uses_of_the_service(directory.path());
    let mut wrong: Vec<&str> = uses
        .iter()
        .filter(|(module, _)| !may_know(module))
        .map(|(module, _)| module[0].as_str())
        .collect();
    wrong.sort_unstable();
    assert_eq!(wrong, ["plan", "runner", "undo"]);
}
