//! The paper form of a legacy Azure transfer, filled in as far as the store knows.
//!
//! These transfers (MS-AZR-0145P) go through a support ticket with a form that three parties sign; no API asks
//! for them. What a machine can do is to fill the form in and say what is left to do.

/// What the form is about.
pub struct FormRequest<'a> {
    /// The customer's primary domain.
    pub domain: &'a str,
    /// The customer's tenant GUID ("Microsoft ID").
    pub tenant_id: &'a str,
    /// The subscription's GUID.
    pub subscription_id: &'a str,
    /// Whether the subscription leaves us.
    pub outwards: bool,
    /// The other partner's GUID.
    pub partner_tenant_id: &'a str,
    /// And its name.
    pub partner_name: &'a str,
    /// The customer's address, where it is asked to sign.
    pub customer_email: &'a str,
}

/// The form's text.
pub fn filled(request: &FormRequest<'_>) -> String {
    let other = or_blank(request.partner_name);
    let other_id = or_blank(request.partner_tenant_id);
    let (ours, ours_id) = ("(our company)", "(our Microsoft ID)");
    let ((from, from_id), (to, to_id)) = if request.outwards {
        ((ours, ours_id), (other, other_id))
    } else {
        ((other, other_id), (ours, ours_id))
    };
    format!(
        "REQUEST TO TRANSFER AN AZURE SUBSCRIPTION TO ANOTHER PARTNER (MS-AZR-0145P)\n\
         \n\
         Customer domain:            {domain}\n\
         Customer Microsoft ID:      {tenant}\n\
         Customer e-mail:            {email}\n\
         Azure subscription ID:      {subscription}\n\
         \n\
         Current partner:            {from}\n\
         Current partner's ID:       {from_id}\n\
         Current partner's contact:  ______________________________\n\
         New partner:                {to}\n\
         New partner's ID:           {to_id}\n\
         New partner's contact:      ______________________________\n\
         \n\
         Signatures\n\
         Current partner:  ____________________  Date: ____________\n\
         Customer:         ____________________  Date: ____________\n\
         New partner:      ____________________  Date: ____________\n\
         \n\
         What is left to do\n\
         [ ] The customer has asked the current partner for this in writing.\n\
         [ ] The new partner has a reseller relationship with the customer, in the same country.\n\
         [ ] The current partner opens a support ticket: subscription management, with the subscription ID.\n\
         [ ] All three sign; the current partner attaches the form to the ticket.\n\
         [ ] The new partner reviews the role assignments of the subscription afterwards.\n",
        domain = request.domain,
        tenant = request.tenant_id,
        email = or_blank(request.customer_email),
        subscription = request.subscription_id,
    )
}

fn or_blank(text: &str) -> &str {
    if text.is_empty() {
        "______________________________"
    } else {
        text
    }
}
