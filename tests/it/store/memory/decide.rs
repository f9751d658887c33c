//! What a row would do to what is in memory.

use std::sync::Arc;

use tenantry_jobs::{
    Change, CustomerField, CustomerPatch, Holdings, LicenseChange, Naming, NewCustomer, NewUser, Problem, Suspension,
    UserField, UserPatch, UserRef, advise_subscription, code,
};
use tenantry_store::remote::RowPreview;
use tenantry_store::{FieldChange, SeatNeed, SeatsOf, Touch, Verdict};

use super::world::{Image, Record, Sort, World};

/// What is to be done for a row.
pub(super) struct Decision {
    pub(super) image: Image,
    changes: Vec<FieldChange>,
    touched: Option<(u64, u64)>,
    needs: Vec<Arc<SeatsOf>>,
    column: &'static str,
    is_destructive: bool,
}

impl Decision {
    /// Nothing yet, about this record; `None` for one that is to be made.
    pub(super) fn about(world: &World, customer: &Record, record: Option<&Record>) -> Self {
        let is_user = record.is_some_and(|record| record.sort == Sort::User);
        Self {
            image: Image {
                sort: record.map_or(Sort::User, |record| record.sort),
                id: record.map_or_else(String::new, |record| record.id.clone()),
                customer: customer.id.clone(),
                domain: customer.get("domain").to_owned(),
                name: record.map_or("", |record| record.get("user_principal_name")).to_owned(),
                is_new: record.is_none(),
                fields: Vec::new(),
            },
            changes: Vec::new(),
            touched: is_user.then(|| (1, world.users(customer))),
            needs: Vec::new(),
            column: "",
            is_destructive: false,
        }
    }

    /// A field that is to have this value.
    pub(super) fn set(&mut self, field: &'static str, old: &str, new: &str) {
        if old == new {
            return;
        }
        self.changes.push(FieldChange::new(field, old, new));
        self.image
            .fields
            .push((field.to_owned(), old.to_owned(), new.to_owned()));
    }

    /// A field that has to stay so if this is ever to be taken back.
    fn depends(&mut self, record: &Record, field: &str) {
        let value = record.get(field).to_owned();
        self.image.fields.push((field.to_owned(), value.clone(), value));
    }

    /// Whether a user gets a new password, and when it last got one.
    pub(super) fn set_password(&mut self, is_due: bool, last: Option<i64>) {
        if is_due {
            let last = last.map_or_else(String::new, |last| format!("set at {last}"));
            self.set("password", &last, "a new one");
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        !self.image.is_new && self.changes.is_empty()
    }

    pub(super) fn verdict(&self) -> Verdict {
        if self.image.is_new {
            Verdict::Create
        } else if self.changes.is_empty() {
            Verdict::Unchanged
        } else {
            Verdict::Change(self.changes.clone())
        }
    }

    pub(super) fn preview(self) -> RowPreview {
        let mut preview = RowPreview::from(self.verdict());
        let need = |of| SeatNeed {
            row: 0,
            column: self.column,
            of,
        };
        if !self.is_nothing() {
            preview.needs = self.needs.iter().cloned().map(need).collect();
            preview.destructive = self.is_destructive;
            preview.touch = self.touched.map(|(users, of)| Touch {
                customer: number(&self.image.customer),
                domain: self.image.domain.clone(),
                users,
                of,
            });
        }
        preview
    }
}

/// A customer's id, shortened to what totals tell customers apart by.
fn number(id: &str) -> i64 {
    id.bytes()
        .fold(0, |number, byte| number * 31 % 1_000_000_007 + i64::from(byte))
}

pub(super) fn decide(world: &World, change: &Change<'_>) -> Result<Decision, Problem> {
    match change {
        Change::CreateCustomer(new) => new_customer(world, new),
        Change::UpdateCustomer(patch) => update_customer(world, patch),
        Change::CreateUser(new) => new_user(world, new),
        Change::UpdateUser(patch) => update_user(world, patch),
        Change::DeleteUser(user) => delete(world, *user),
        Change::RestoreUser(user) => restore(world, *user),
        Change::ResetPassword(reset) => {
            let (customer, user) = there(world, reset.user)?;
            Ok(Decision::about(world, customer, Some(user)))
        }
        Change::AssignLicenses(change) => assign(world, change),
        Change::SuspendSubscription(one) => suspend(world, one),
        Change::RemoveRelationship(_)
        | Change::SetSeats(_)
        | Change::SetSubscription(_)
        | Change::SwitchSubscription(_) => Err(tenantry_store::remote::not_taken("Memory")),
    }
}

fn new_customer(world: &World, new: &NewCustomer<'_>) -> Result<Decision, Problem> {
    let fields = || CustomerField::ALL.into_iter().zip(&new.profile);
    if let Some(there) = world
        .of(Sort::Customer)
        .find(|one| one.get("domain").eq_ignore_ascii_case(&new.domain))
    {
        let differs = fields().any(|(field, value)| !value.is_empty() && there.get(field.name()) != value.as_ref());
        if differs {
            let expected = "a customer that does not exist yet, or is so";
            return Err(Problem::new(code::CUSTOMER_EXISTS, "domain", &new.domain, expected));
        }
        return Ok(Decision::about(world, there, Some(there)));
    }
    let mut made = Vec::from([("domain", new.domain.as_ref()), ("relationship", "reseller")]);
    made.extend(fields().map(|(field, value)| (field.name(), value.as_ref())));
    let pairs = made
        .into_iter()
        .map(|(name, value)| (name.to_owned(), String::new(), value.to_owned()));
    Ok(Decision {
        image: Image {
            sort: Sort::Customer,
            id: String::new(),
            customer: String::new(),
            domain: new.domain.to_string(),
            name: String::new(),
            is_new: true,
            fields: pairs.collect(),
        },
        changes: Vec::new(),
        touched: None,
        needs: Vec::new(),
        column: "",
        is_destructive: false,
    })
}

fn update_customer(world: &World, patch: &CustomerPatch<'_>) -> Result<Decision, Problem> {
    let customer = world.customer(patch.customer)?;
    if let Some(id) = patch.external_id {
        return Err(tenantry_store::remote::not_kept("Memory", "external_id", id));
    }
    let mut decision = Decision::about(world, customer, Some(customer));
    for (field, value) in &patch.fields {
        decision.set(field.name(), customer.get(field.name()), value);
    }
    Ok(decision)
}

/// A name of one of the customer's users.
fn own_name(customer: &Record, column: &'static str, name: &str) -> Result<(), Problem> {
    let domain = customer.get("domain");
    match name.rsplit_once('@') {
        // One that is left out is nobody's.
        None if name.is_empty() => Ok(()),
        Some((_, own)) if own.eq_ignore_ascii_case(domain) => Ok(()),
        _ => Err(Problem::new(
            code::FOREIGN_DOMAIN,
            column,
            name,
            format!("a name in {domain}"),
        )),
    }
}

/// The ids of SKUs by their names, of which a seat is free for each that is not among `had`.
fn seats(
    world: &World,
    decision: &mut Decision,
    column: &'static str,
    names: &[&str],
    had: &[&str],
) -> Result<Vec<String>, Problem> {
    let mut ids = Vec::new();
    decision.column = column;
    for name in names {
        let Some(sku) = world.sku(&decision.image.customer, name) else {
            return Err(Problem::new(
                code::UNKNOWN_SKU,
                column,
                name,
                "a SKU that the customer holds",
            ));
        };
        let id = sku.get("sku_id");
        ids.push(id.to_owned());
        if had.contains(&id) {
            continue;
        }
        let free = world.free(sku);
        if free < 1 {
            return Err(Problem::new(
                code::NO_FREE_SEATS,
                column,
                name,
                "a SKU of which a seat is free",
            ));
        }
        decision.needs.push(Arc::new(SeatsOf {
            customer: number(&decision.image.customer),
            domain: decision.image.domain.clone(),
            sku_id: id.to_owned(),
            part_number: sku.get("part_number").to_owned(),
            free,
        }));
    }
    Ok(ids)
}

fn new_user(world: &World, new: &NewUser<'_>) -> Result<Decision, Problem> {
    let customer = world.customer(new.customer)?;
    let name = new.user_principal_name;
    own_name(customer, "user_principal_name", name)?;
    let there = world.user(customer, name).filter(|user| !user.is_deleted());
    let mut decision = Decision::about(world, customer, there);
    let had = there.map(|user| user.list("licenses")).unwrap_or_default();
    let licenses = seats(world, &mut decision, "licenses", &new.licenses, &had)?;
    let mut roles = new.roles.clone();
    roles.sort_unstable();
    let (licenses, roles) = (licenses.join(";"), roles.join(";"));
    let block = if new.block_sign_in { "yes" } else { "no" };
    let mut fields = Vec::from([
        ("user_principal_name", name),
        ("display_name", new.display_name.as_ref()),
        ("usage_location", new.usage_location.as_ref()),
        ("country", new.country.as_ref()),
        ("licenses", licenses.as_str()),
        ("roles", roles.as_str()),
        ("block_sign_in", block),
        ("user_state", "active"),
    ]);
    fields.extend(
        UserField::ALL
            .into_iter()
            .zip(new.profile)
            .map(|(field, value)| (field.name(), value)),
    );
    if let Some(there) = there {
        // It may have more licences and roles than the row names.
        let differs = |(field, value): &(&str, &str)| match *field {
            "licenses" | "roles" => value
                .split(';')
                .any(|one| !one.is_empty() && !there.list(field).contains(&one)),
            _ => !there.get(field).eq_ignore_ascii_case(value),
        };
        if fields.iter().any(differs) {
            let expected = "a user who does not exist yet, or is so";
            return Err(Problem::new(code::USER_EXISTS, "user_principal_name", name, expected));
        }
        return Ok(decision);
    }
    name.clone_into(&mut decision.image.name);
    let pairs = fields
        .into_iter()
        .map(|(field, value)| (field.to_owned(), String::new(), value.to_owned()));
    decision.image.fields = pairs.collect();
    Ok(decision)
}

/// A user who is there.
fn there<'w>(world: &'w World, named: UserRef<'_>) -> Result<(&'w Record, &'w Record), Problem> {
    let customer = world.customer(named.customer)?;
    let name = named.user_principal_name;
    match world.user(customer, name) {
        Some(user) if user.is_deleted() => {
            let expected = "a user who is not deleted; `restore-users` brings it back";
            Err(Problem::new(code::USER_DELETED, "user_principal_name", name, expected))
        }
        Some(user) => Ok((customer, user)),
        None => Err(unknown(name)),
    }
}

fn unknown(name: &str) -> Problem {
    Problem::new(
        code::UNKNOWN_USER,
        "user_principal_name",
        name,
        "a user of the customer",
    )
}

fn update_user(world: &World, patch: &UserPatch<'_>) -> Result<Decision, Problem> {
    let customer = world.customer(patch.user.customer)?;
    if let Some(name) = patch.new_name {
        own_name(customer, "new_user_principal_name", name)?;
    }
    // Who has its new name already is meant, if nobody has the old one.
    let renamed = || {
        let new = world.user(customer, patch.new_name?)?;
        (!new.is_deleted() && is_so(new, patch)).then_some((customer, new))
    };
    let (customer, user) = there(world, patch.user).or_else(|problem| renamed().ok_or(problem))?;
    if let Some(name) = patch.new_name {
        let other = world
            .user(customer, name)
            .filter(|other| !other.is_deleted() && other.id != user.id);
        if other.is_some() {
            let expected = "a name that no other user has";
            return Err(Problem::new(
                code::USER_EXISTS,
                "new_user_principal_name",
                name,
                expected,
            ));
        }
    }
    let mut decision = Decision::about(world, customer, Some(user));
    for (field, value) in patch.texts() {
        decision.set(field, user.get(field), value);
    }
    if let Some(block) = patch.block_sign_in {
        decision.set(
            "block_sign_in",
            user.get("block_sign_in"),
            if block { "yes" } else { "no" },
        );
    }
    Ok(decision)
}

fn is_so(user: &Record, patch: &UserPatch<'_>) -> bool {
    patch.texts().all(|(field, value)| user.get(field) == value)
}

fn delete(world: &World, named: UserRef<'_>) -> Result<Decision, Problem> {
    let customer = world.customer(named.customer)?;
    let user = world.user(customer, named.user_principal_name);
    let user = user.ok_or_else(|| unknown(named.user_principal_name))?;
    let mut decision = Decision::about(world, customer, Some(user));
    if !user.is_deleted() {
        decision
            .changes
            .push(FieldChange::new("display_name", user.get("display_name"), ""));
        decision.set("user_state", "active", "deleted");
        decision.is_destructive = true;
    }
    Ok(decision)
}

fn restore(world: &World, named: UserRef<'_>) -> Result<Decision, Problem> {
    let customer = world.customer(named.customer)?;
    let user = world.user(customer, named.user_principal_name);
    let user = user.ok_or_else(|| unknown(named.user_principal_name))?;
    let mut decision = Decision::about(world, customer, Some(user));
    let another = world.of(Sort::User).any(|one| {
        one.customer == customer.id && one.is_deleted() && one.id != user.id && one.is_named(named.user_principal_name)
    });
    if !user.is_deleted() && another {
        let expected = "a name that no other user has; one has this";
        let name = named.user_principal_name;
        return Err(Problem::new(code::USER_EXISTS, "user_principal_name", name, expected));
    }
    if user.is_deleted() {
        seats(world, &mut decision, "user_principal_name", &user.list("licenses"), &[])?;
        decision.set("user_state", "deleted", "active");
        decision.depends(user, "licenses");
    }
    Ok(decision)
}

fn assign(world: &World, change: &LicenseChange<'_>) -> Result<Decision, Problem> {
    let customer = world.customer(change.user.customer)?;
    seats(
        world,
        &mut Decision::about(world, customer, None),
        "assign",
        &change.assign,
        &[],
    )
    .map(drop)
    .or_else(|problem| (problem.code == code::NO_FREE_SEATS).then_some(()).ok_or(problem))?;
    let (customer, user) = there(world, change.user)?;
    let mut decision = Decision::about(world, customer, Some(user));
    let had = user.list("licenses");
    let removed: Vec<&str> = change
        .remove
        .iter()
        .filter_map(|name| Some(world.sku(&customer.id, name)?.get("sku_id")))
        .collect();
    let is_kept = |id: &&&str| !change.remove_all && !removed.contains(*id);
    let mut has: Vec<String> = had.iter().filter(is_kept).map(|id| (*id).to_owned()).collect();
    for id in seats(world, &mut decision, "assign", &change.assign, &had)? {
        if !has.contains(&id) {
            has.push(id);
        }
    }
    has.sort_unstable();
    let location = match change.usage_location.as_ref() {
        "" => user.get("usage_location"),
        new => new,
    };
    if !has.is_empty() && location.is_empty() {
        let expected = "a country code of two letters, on which licences depend";
        return Err(Problem::new(
            code::USAGE_LOCATION_REQUIRED,
            "usage_location",
            "",
            expected,
        ));
    }
    decision.set("usage_location", user.get("usage_location"), location);
    decision.set("licenses", user.get("licenses"), &has.join(";"));
    Ok(decision)
}

fn suspend(world: &World, one: &Suspension<'_>) -> Result<Decision, Problem> {
    let customer = world.customer(one.customer)?;
    let id = one.subscription_id.to_string();
    let own = || match world.holdings(one.customer, Naming::Subscription) {
        Some(Holdings::Subscriptions(own)) => own,
        _ => Vec::new(),
    };
    let Some(found) = world.record(&id).filter(|found| found.sort == Sort::Subscription) else {
        let expected = "a subscription of the customer";
        let problem = Problem::new(code::UNKNOWN_SUBSCRIPTION, "subscription_id", &id, expected);
        return Err(advise_subscription(problem, &id, &own()));
    };
    if found.customer != customer.id {
        let expected = "a subscription of this customer; it is another one's";
        let problem = Problem::new(code::FOREIGN_SUBSCRIPTION, "subscription_id", &id, expected);
        return Err(advise_subscription(problem, found.get("product"), &own()));
    }
    let mut decision = Decision::about(world, customer, Some(found));
    if let Some(to) = one.to {
        decision.set("status", found.get("status"), to.as_str());
    }
    Ok(decision)
}
