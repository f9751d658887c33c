//! The table of operations. Paths are compared without regard to case; `{}` stands for anything. The first that fits
//! counts, so that fixed words come before open places.

mod table;

use axum::http::Method;

use super::call::Call;
use super::oauth;
use super::reply::ReplyResult;
use table::OPERATIONS;

/// An operation.
pub(super) struct Operation {
    /// What scripts and counters call it.
    pub(super) name: &'static str,
    pub(super) method: Method,
    /// After `/v1/`.
    pub(super) path: &'static str,
    /// Whether a person has to stand behind the token.
    pub(super) needs_user: bool,
    /// Whether it changes something, and so is done once for each request id.
    pub(super) changes: bool,
    /// Resource and operation of the audit record it leaves, where Microsoft has words for them.
    pub(super) leaves: Option<(&'static str, &'static str)>,
    pub(super) run: fn(&mut Call<'_>) -> ReplyResult,
}

type Run = fn(&mut Call<'_>) -> ReplyResult;

const fn read(name: &'static str, path: &'static str, run: Run) -> Operation {
    ask(name, Method::GET, path, run)
}

const fn ask(name: &'static str, method: Method, path: &'static str, run: Run) -> Operation {
    Operation {
        name,
        method,
        path,
        needs_user: false,
        changes: false,
        leaves: None,
        run,
    }
}

/// A change that leaves no audit record.
const fn quiet(name: &'static str, method: Method, path: &'static str, run: Run) -> Operation {
    let mut operation = ask(name, method, path, run);
    operation.changes = true;
    operation
}

const fn write(
    name: &'static str,
    method: Method,
    path: &'static str,
    leaves: (&'static str, &'static str),
    run: Run,
) -> Operation {
    let mut operation = quiet(name, method, path, run);
    operation.leaves = Some(leaves);
    operation
}

impl Operation {
    /// Where it is.
    pub(super) fn address(&self) -> String {
        match self.path.strip_prefix("webhooks/") {
            Some(rest) => format!("/webhooks/v1/{rest}"),
            None => format!("/v1/{}", self.path),
        }
    }

    const fn by_user(mut self) -> Self {
        self.needs_user = true;
        self
    }
}

/// Which operation a request asks for.
pub(super) enum RouteMatch {
    /// It is for one of the endpoints of signing in.
    SigningIn,
    /// And what stands at its open places.
    Operation(&'static Operation, Vec<String>),
    WrongMethod,
    Nothing,
}

/// A path in the one spelling of the table: some clients write what stands in it at other places.
fn canonical<'q>(method: &Method, segments: &[String], query: impl Fn(&str) -> Option<&'q str>) -> Option<Vec<String>> {
    let (version, rest) = segments.split_first()?;
    let words: Vec<String> = rest.iter().map(|part| part.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut path = rest.to_vec();
    let mut push = |part: Option<&str>| path.extend(part.map(str::to_owned));
    match (version.to_ascii_lowercase().as_str(), words.as_slice()) {
        // The name of the service comes first here, and then the version.
        ("webhooks", ["v1", ..]) => "webhooks".clone_into(&mut path[0]),
        ("v1", ["webhooks", ..]) => return None,
        // Members of a collection are named by the query.
        ("v1", ["customers", _, "users"]) if [Method::PATCH, Method::DELETE].contains(method) => push(query("user_id")),
        ("v1", ["customers", _, "directoryroles"]) if [Method::POST, Method::DELETE].contains(method) => {
            push(query("role_id"));
            push(Some("usermembers"));
            push(query("member_id").filter(|_| *method == Method::DELETE));
        }
        ("v1", _) => {}
        _ => return None,
    }
    Some(path)
}

pub(super) fn find<'q>(method: &Method, segments: &[String], query: impl Fn(&str) -> Option<&'q str>) -> RouteMatch {
    let Some(rest) = canonical(method, segments, query) else {
        return RouteMatch::Nothing;
    };
    let mut there = false;
    for operation in OPERATIONS {
        if let Some(places) = places(operation.path, &rest) {
            if operation.method == *method {
                return RouteMatch::Operation(operation, places);
            }
            there = true;
        }
    }
    if there {
        RouteMatch::WrongMethod
    } else {
        RouteMatch::Nothing
    }
}

/// All operations.
pub(super) fn all() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter()
}

/// Names of all operations.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|operation| operation.name).chain(oauth::NAMES)
}

fn places(path: &str, segments: &[String]) -> Option<Vec<String>> {
    let words: Vec<&str> = path.split('/').collect();
    if words.len() != segments.len() {
        return None;
    }
    let mut places = Vec::new();
    for (word, segment) in words.into_iter().zip(segments) {
        match word {
            "{}" => places.push(segment.clone()),
            _ if word.eq_ignore_ascii_case(segment) => {}
            _ => return None,
        }
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(method: &Method, path: &str) -> &'static str {
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let ids = |name: &str| (name != "domain").then_some("an-id");
        match find(method, &segments, ids) {
            RouteMatch::Operation(operation, _) => operation.name,
            RouteMatch::WrongMethod => "wrong method",
            _ => "nothing",
        }
    }

    #[test]
    fn paths_find_their_operations() {
        assert_eq!(name(&Method::GET, "V1/Customers"), "list-customers");
        assert_eq!(
            name(&Method::GET, "v1/customers/relationshipRequests"),
            "relationship-request-url"
        );
        assert_eq!(name(&Method::GET, "v1/customers/x"), "get-customer");
        assert_eq!(name(&Method::DELETE, "v1/customers"), "wrong method");
        assert_eq!(name(&Method::GET, "v1/v1/customers"), "nothing");
        assert_eq!(name(&Method::GET, "customers"), "nothing");
        assert_eq!(name(&Method::PATCH, "v1/customers/x/users"), "update-user");
        assert_eq!(
            name(&Method::DELETE, "v1/customers/x/directoryroles"),
            "remove-user-from-role"
        );
        assert_eq!(name(&Method::POST, "v1/customers/x/directoryroles"), "add-user-to-role");
        assert_eq!(name(&Method::GET, "webhooks/v1/registration"), "get-webhook");
        assert_eq!(name(&Method::GET, "v1/webhooks/registration"), "nothing");
        for operation in all() {
            let address = operation.address().replace("{}", "x");
            assert_ne!(name(&operation.method, &address[1..]), "nothing", "{address}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut all: Vec<&str> = names().collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
