//! Lists, page after page: by the link to the next one and the headers it asks for, or by a token alone.

use serde_json::Value;

use super::client::{Answer, Call, CallError, Client, Operation};
use super::failure::find;
use tenantry_store::kit::paging::{self, Endless, Page};

/// The header that the next page is asked for with.
const CONTINUATION: &str = "MS-ContinuationToken";

/// What is still to be read of a list.
pub(super) struct ListPages {
    list: List,
    pages: paging::Pages<Call>,
}

/// How further pages of a list are asked for.
struct List {
    operation: Operation,
    customer: String,
    path: String,
}

impl From<Endless> for CallError {
    fn from(endless: Endless) -> Self {
        Self::NotSent(endless.to_string())
    }
}

impl ListPages {
    pub(super) fn new(operation: Operation, first: Call, customer: &str, path: &str) -> Self {
        Self {
            list: List {
                operation,
                customer: customer.to_owned(),
                path: path.to_owned(),
            },
            pages: paging::Pages::new(first.of(customer)),
        }
    }

    /// The items of the next page; `None` behind the last.
    pub(super) async fn next(&mut self, client: &Client) -> Result<Option<Vec<Value>>, CallError> {
        let (list, is_first) = (&self.list, self.pages.is_at_first());
        let fetch = |call: Call| async move {
            match client.read(&call).await {
                // A token may lead beyond the last page, which is told in this way.
                Err(CallError::Answered(failure, _))
                    if !is_first && failure.status == 400 && failure.code == "2000" =>
                {
                    Ok(None)
                }
                other => Ok(Some(list.page(other?))),
            }
        };
        self.pages.next(fetch).await
    }
}

impl List {
    fn page(&self, answer: Answer) -> Page<Value, Call> {
        let mut body = match answer.body {
            // Some lists come without an envelope, and without further pages.
            Value::Array(items) => return Page { items, next: None },
            body => body,
        };
        let next = self.link(&body);
        let items = match body.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        Page { items, next }
    }

    fn link(&self, body: &Value) -> Option<Call> {
        let token = find(body, "continuationToken")
            .and_then(Value::as_str)
            .filter(|token| !token.is_empty());
        let link = find(body, "links").and_then(|links| find(links, "next"));
        let uri = link.and_then(|link| find(link, "uri")).and_then(Value::as_str);
        let mut call = match (uri, token) {
            (Some(uri), _) => {
                // Everything the next page needs is in the link, its query included.
                let mut call = Call::new(self.operation, uri.to_owned());
                let headers = link.and_then(|link| find(link, "headers")).and_then(Value::as_array);
                for header in headers.into_iter().flatten() {
                    let text = |name: &str| find(header, name).and_then(Value::as_str);
                    // Whatever else it asks for (a host, an authorization) is not its to say.
                    if let (Some(name), Some(value)) = (text("key"), text("value"))
                        && name.eq_ignore_ascii_case(CONTINUATION)
                    {
                        call = call.header(CONTINUATION, value);
                    }
                }
                if headers.is_none_or(Vec::is_empty)
                    && let Some(token) = token
                {
                    call = call.header(CONTINUATION, token);
                }
                call
            }
            (None, Some(token)) => Call::new(self.operation, self.path.clone())
                .query("seekOperation", "Next")
                .header(CONTINUATION, token),
            (None, None) => return None,
        };
        call = call.of(&self.customer);
        Some(call)
    }
}
