//! Transfers of subscriptions, as every store speaks of them.

/// Why a transfer of this status, which is no longer open, cannot be taken back.
pub fn stands(status: &str) -> String {
    match status {
        "declined" => "the request was declined; the requester would have to ask again".to_owned(),
        "cancelled" | "expired" | "failed" => format!("the request is {status}; a new one asks again"),
        "on-paper" => {
            "the request is a form on paper; once it was sent to support, it is stopped only there".to_owned()
        }
        _ => format!("the transfer is {status}; only the other partner can transfer it back"),
    }
}
