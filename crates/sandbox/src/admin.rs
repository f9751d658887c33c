//! Control of the sandbox itself, at addresses that Microsoft does not have: no token is asked for.

mod calls;
mod overview;

use axum::http::Method;
use serde_json::{Value as Json, json};

use super::faults::{InjectedFault, Script};
use super::reply::HttpReply;
use super::request::HttpRequest;
use super::{Quirk, Shared, json, lock, record, routes};
use tenantry_foundation::db::DbError;

pub(super) use calls::{RecentCall, RecentCalls};

/// Answers a request to `/sandbox/…`.
pub(super) async fn answer(shared: &Shared, request: &HttpRequest) -> HttpReply {
    if !request.is_local() {
        let text = "Only this machine may ask that, by the name localhost or by its address.";
        return HttpReply::json(403, json!({ "error": text }));
    }
    let path: Vec<String> = request
        .segments
        .iter()
        .skip(1)
        .map(|part| part.to_ascii_lowercase())
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let answered = match (&request.method, path.as_slice()) {
        (&Method::GET, []) => overview::overview(shared, request).await,
        (&Method::GET, ["calls"]) => {
            let recent = serde_json::to_value(lock(&shared.calls).recent());
            Ok(HttpReply::ok(recent.unwrap_or_default()))
        }
        (&Method::GET, ["counters"]) => Ok(counters(shared)),
        (&Method::DELETE, ["counters"]) => {
            *lock(&shared.counters) = super::counters::Counters::default();
            Ok(HttpReply::empty(204))
        }
        (&Method::GET, ["faults"]) => Ok(trouble(shared)),
        (&Method::POST, ["faults"]) => add(shared, &request.body).map(|()| trouble(shared)),
        (&Method::DELETE, ["faults"]) => {
            let mut trouble = lock(&shared.trouble);
            (trouble.chances, trouble.scripts, trouble.quirks) = (Vec::new(), Vec::new(), Vec::new());
            lock(&shared.limits).clear();
            Ok(HttpReply::empty(204))
        }
        (&Method::PUT, ["customers", customer, "validation"]) => {
            set_validation(shared, customer, json::text(&request.body, "status")).await
        }
        _ => Err((404, "There is no such address under /sandbox".to_owned())),
    };
    answered.unwrap_or_else(|(status, text)| HttpReply::json(status, json!({ "error": text })))
}

fn counters(shared: &Shared) -> HttpReply {
    let counters = serde_json::to_value(&*lock(&shared.counters));
    HttpReply::ok(counters.unwrap_or_default())
}

/// A value by the name it has on the command line.
fn name_of<T: clap::ValueEnum>(value: &T) -> Json {
    value
        .to_possible_value()
        .map_or(Json::Null, |value| value.get_name().into())
}

fn trouble(shared: &Shared) -> HttpReply {
    let trouble = lock(&shared.trouble);
    let chances = trouble.chances.iter();
    let scripts = trouble.scripts.iter();
    let quirks = trouble.quirks.iter();
    HttpReply::ok(json!({
        "chances": chances.map(|(fault, chance)| json!({ "fault": name_of(fault), "probability": chance })).collect::<Json>(),
        "scripts": scripts.map(|script| json!({
            "operation": script.operation,
            "fault": name_of(&script.fault),
            "skip": script.skip,
            "times": script.times,
        })).collect::<Json>(),
        "quirks": quirks.map(name_of).collect::<Json>(),
    }))
}

type Bad = (u16, String);

fn bad(text: String) -> Bad {
    (400, text)
}

/// Adds a fault by chance (`probability`) or by script (`operation`, `skip`, `times`), or sets the quirks.
fn add(shared: &Shared, body: &Json) -> Result<(), Bad> {
    if let Some(names) = body["quirks"].as_array() {
        let quirk = |name: &Json| {
            let named = name.as_str().and_then(Quirk::named);
            named.ok_or_else(|| bad(format!("There is no quirk {name}")))
        };
        let quirks: Vec<Quirk> = names.iter().map(quirk).collect::<Result<_, _>>()?;
        lock(&shared.trouble).quirks = quirks;
        return Ok(());
    }
    let name = json::text(body, "fault");
    let fault = InjectedFault::named(name).ok_or_else(|| bad(format!("There is no fault `{name}`")))?;
    if let Some(probability) = body["probability"].as_f64() {
        let mut trouble = lock(&shared.trouble);
        trouble.chances.retain(|(known, _)| *known != fault);
        trouble.chances.push((fault, probability.clamp(0.0, 1.0)));
        return Ok(());
    }
    let operation = body["operation"].as_str().map(str::to_owned);
    if let Some(operation) = &operation
        && !routes::names().any(|name| name == operation)
    {
        let all: Vec<&str> = routes::names().collect();
        return Err(bad(format!(
            "There is no operation `{operation}`; there are {}",
            all.join(", ")
        )));
    }
    lock(&shared.trouble).scripts.push(Script {
        operation,
        fault,
        skip: body["skip"].as_u64().unwrap_or(0),
        times: body["times"].as_u64().unwrap_or(1).max(1),
    });
    Ok(())
}

/// Says what the account validation of a customer came to.
async fn set_validation(shared: &Shared, customer: &str, status: &str) -> Result<HttpReply, Bad> {
    let (customer, status) = (customer.to_owned(), status.to_owned());
    let done = shared.db.write(move |tx| {
        let found = record::select(tx, &record::CUSTOMER, "WHERE t.tenant_id = $1", &[customer.into()])?;
        let Some(mut customer) = found.into_iter().next() else {
            return Ok(false);
        };
        customer.put("_validation", status);
        record::update(tx, &record::CUSTOMER, &mut customer)?;
        Ok::<_, DbError>(true)
    });
    match done.await {
        Ok(true) => Ok(HttpReply::empty(204)),
        Ok(false) => Err((404, "There is no such customer".to_owned())),
        Err(error) => Err((500, error.to_string())),
    }
}
