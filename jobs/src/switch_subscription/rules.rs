//! Steps and their owners in each of the four ways a subscription moves, and what a request has to say.

use crate::TransferAction::{Accept, Cancel, Reject, Request};
use crate::{Direction, Flow, TransferAction};

/// The steps that are ours when the subscription moves that way; none where all is the other partner's doing.
pub(super) fn steps(flow: Flow, direction: Direction) -> &'static [TransferAction] {
    let we_ask = direction == asking_side(flow);
    match flow {
        // A form, which support answers; it cannot be taken back here.
        Flow::LegacyAzure if we_ask => &[Request],
        Flow::LegacyAzure => &[],
        _ if we_ask => &[Request, Cancel],
        _ => &[Accept, Reject],
    }
}

/// Which way a subscription moves that we ask for: the one side that asks differs from flow to flow.
fn asking_side(flow: Flow) -> Direction {
    match flow {
        // The one who is to have it.
        Flow::AzurePlan | Flow::NewCommerce => Direction::In,
        // The one who has it.
        Flow::DirectToIndirect | Flow::LegacyAzure => Direction::Out,
    }
}

/// Who may do what, in words.
pub(super) fn roles(flow: Flow) -> &'static str {
    match flow {
        Flow::AzurePlan | Flow::NewCommerce => {
            "the partner who is to have the subscription requests and cancels, the one who has it accepts or rejects"
        }
        Flow::DirectToIndirect => {
            "the partner who has the subscription requests and cancels, the indirect provider accepts or rejects"
        }
        Flow::LegacyAzure => {
            "the partner who has the subscription requests it from Microsoft's support, and there are no other steps"
        }
    }
}

/// Whether a request names the other partner.
pub(super) fn names_partner(flow: Flow) -> bool {
    !matches!(flow, Flow::DirectToIndirect)
}

/// Whether a request says where the customer is written to.
pub(super) fn names_customer_email(flow: Flow) -> bool {
    matches!(flow, Flow::AzurePlan | Flow::NewCommerce)
}
