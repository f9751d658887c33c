//! Transfers as Partner Center tells of them.
//!
//! Two generations share one path and have little in common. In the older one the partner who has the subscriptions makes
//! the transfer and says which; in the newer one (told by its `transferType`) the partner who is to have them makes it, and
//! the other says which. Until that is over the first does not see them.

use serde_json::Value;
use tenantry_jobs::rules::TRANSFER_OPEN_FOR_MILLIS;
use tenantry_jobs::{Direction, Flow, Problem, Switch, code};
use uuid::Uuid;

use super::PartnerCenterError;
use super::auth::TokenKind;
use super::client::{Call, CallError, Client, Operation};
use super::failure::find;
use super::text::{items, millis, segment, text};
use tenantry_foundation::moment::day;

const LIST_TRANSFERS: Operation = Operation::new("list-transfers", "GET", TokenKind::App);
const GET_TRANSFER: Operation = Operation::new("get-transfer", "GET", TokenKind::App);

/// Where a transfer, or one of its subscriptions, stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    InProgress,
    Complete,
    /// Some of it.
    PartlyComplete,
    Failed,
    Declined,
    Cancelled,
    Expired,
    /// Something new.
    Other(String),
}

impl Status {
    fn read(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "active" | "pending" => Self::Pending,
            "inprogress" | "in_progress" => Self::InProgress,
            // The documentation says the one, its samples the other.
            "complete" | "completed" => Self::Complete,
            "partiallycomplete" | "partiallycompleted" => Self::PartlyComplete,
            "failed" => Self::Failed,
            "reject" | "rejected" | "decline" | "declined" => Self::Declined,
            "cancel" | "canceled" | "cancelled" | "revoked" => Self::Cancelled,
            "expired" => Self::Expired,
            _ => Self::Other(word.to_owned()),
        }
    }

    /// Its word in messages and plans.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in-progress",
            Self::Complete => "completed",
            Self::PartlyComplete => "partially-complete",
            Self::Failed => "failed",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Other(word) => word,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Pending | Self::InProgress | Self::Other(_))
    }
}

/// The outcome of one subscription of a transfer.
pub(super) struct TransferLine {
    pub(super) status: Status,
    /// Why it failed.
    pub(super) error: String,
}

/// A transfer.
#[derive(Debug, Clone)]
pub(super) struct Transfer(Value);

impl Transfer {
    pub(super) fn id(&self) -> &str {
        text(&self.0, "id")
    }

    pub(super) fn status(&self) -> Status {
        Status::read(text(&self.0, "status"))
    }

    /// Of the newer generation.
    pub(super) fn is_newer(&self) -> bool {
        find(&self.0, "transferType").is_some_and(|sort| !sort.is_null())
    }

    pub(super) fn source(&self) -> &str {
        text(&self.0, "sourcePartnerTenantId")
    }

    pub(super) fn target(&self) -> &str {
        text(&self.0, "targetPartnerTenantId")
    }

    fn created_at(&self) -> i64 {
        millis(&self.0, "createdTime").unwrap_or(0)
    }

    /// Until when it can be answered; of the older generation nobody says.
    pub(super) fn answer_until(&self) -> Option<i64> {
        Some(self.created_at() + TRANSFER_OPEN_FOR_MILLIS).filter(|_| self.is_newer() && self.created_at() > 0)
    }

    /// What is known of the subscriptions it moves; nothing where they are not shown.
    pub(super) fn shows_lines(&self) -> bool {
        let lines = find(&self.0, "lineItems").and_then(Value::as_array);
        lines.is_some_and(|lines| !lines.is_empty())
    }

    /// The outcome of a subscription, if it is shown to be part of it.
    pub(super) fn line(&self, subscription: &str) -> Option<TransferLine> {
        let lines = find(&self.0, "lineItems").and_then(Value::as_array)?;
        let found = lines
            .iter()
            .find(|line| text(line, "subscriptionId").eq_ignore_ascii_case(subscription))?;
        let status = match text(found, "status") {
            "" => self.status(),
            word => Status::read(word),
        };
        Some(TransferLine {
            status,
            error: text(found, "transferError").to_owned(),
        })
    }

    /// The same sort of transfer as a row's, to or from the same partner.
    pub(super) fn is_of(&self, switch: &Switch<'_>) -> bool {
        let other = match switch.direction {
            Direction::In => self.source(),
            Direction::Out => self.target(),
        };
        let partner = switch.partner_tenant_id.map(|id| id.to_string());
        self.is_newer() != (switch.flow == Flow::DirectToIndirect)
            && partner.is_none_or(|partner| partner.eq_ignore_ascii_case(other))
    }

    /// What is said of a subscription that is not to be changed because of it.
    pub(super) fn in_the_way_of(&self, subscription: &str) -> Problem {
        let expected = format!(
            "the subscription is part of the transfer {}, {} since {}",
            self.id(),
            self.status().as_str(),
            day(self.created_at()),
        );
        Problem::stated(code::TRANSFER_OPEN, "subscription_id", subscription, expected)
    }
}

/// A row that accepts, to be answered with others of the same transfer.
#[derive(Debug, Clone)]
pub(super) struct Acceptance {
    pub(super) customer: String,
    pub(super) partner: Option<Uuid>,
    pub(super) subscription: String,
}

/// The transfers of a customer that we take part in, as they are now, the newest first.
pub(super) async fn all_now(client: &Client, customer: &str) -> Result<Vec<Transfer>, PartnerCenterError> {
    let call = Call::new(LIST_TRANSFERS, format!("/customers/{}/transfers", segment(customer)));
    let answer = match client.read(&call.of(customer)).await {
        Ok(answer) => answer.body,
        Err(CallError::Answered(failure, _)) if failure.status == 404 => Value::Null,
        Err(error) => return Err(PartnerCenterError::of(error)),
    };
    let mut all: Vec<Transfer> = items(answer).into_iter().map(Transfer).collect();
    all.sort_by_key(|transfer| std::cmp::Reverse(transfer.created_at()));
    Ok(all)
}

/// A transfer as it is now.
pub(super) async fn now(client: &Client, customer: &str, id: &str) -> Result<Option<Transfer>, PartnerCenterError> {
    let path = format!("/customers/{}/transfers/{}", segment(customer), segment(id));
    match client.read(&Call::new(GET_TRANSFER, path).of(customer)).await {
        Ok(answer) => Ok(Some(Transfer(answer.body))),
        Err(CallError::Answered(failure, _)) if failure.status == 404 => Ok(None),
        Err(error) => Err(PartnerCenterError::of(error)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses_are_read_in_every_spelling() {
        for (word, status) in [
            ("Active", Status::Pending),
            ("InProgress", Status::InProgress),
            ("Completed", Status::Complete),
            ("complete", Status::Complete),
            ("PartiallyComplete", Status::PartlyComplete),
            ("Reject", Status::Declined),
            ("Cancel", Status::Cancelled),
            ("Expired", Status::Expired),
        ] {
            assert_eq!(Status::read(word), status, "{word}");
        }
        let new = Status::read("UnderReview");
        assert!(new.is_open(), "what is not known is not over");
        assert_eq!(new.as_str(), "UnderReview");
    }

    #[test]
    fn a_line_stands_where_its_transfer_does_unless_it_says_otherwise() {
        let transfer = Transfer(json!({
            "status": "PartiallyComplete",
            "lineItems": [
                { "subscriptionId": "AB", "status": "Failed", "transferError": "no" },
                { "subscriptionId": "cd" },
            ],
        }));
        let failed = transfer.line("ab").expect("a line");
        assert_eq!((failed.status, failed.error.as_str()), (Status::Failed, "no"));
        assert_eq!(transfer.line("cd").expect("a line").status, Status::PartlyComplete);
        assert!(transfer.line("ef").is_none());
        assert!(!transfer.is_newer());
    }
}
