//! The directory roles of users: given with a user that is made, and taken when a retry that gave them is taken back.

use serde_json::json;
use tenantry_jobs::{Problem, code, nearest};

use super::PartnerCenterError;
use super::auth::TokenKind;
use super::client::{Call, Operation};
use super::image::{Image, Object};
use super::records::{Customer, UserPath};
use super::session::Session;
use super::steps::{Done, Step, Stopped};
use super::text::segment;
use tenantry_store::remote::Steps;

const ADD_TO_ROLE: Operation = Operation::new("add-user-to-role", "POST", TokenKind::AppAndUser);
const REMOVE_FROM_ROLE: Operation = Operation::new("remove-user-from-role", "DELETE", TokenKind::AppAndUser);

/// Steps of this sort begin so.
pub(super) const ROLE: &str = "role ";

/// A role of a customer's directory.
pub(super) struct Role {
    pub(super) id: String,
    pub(super) name: String,
}

/// The roles a row names.
pub(super) async fn named(
    session: &Session,
    customer: &Customer,
    names: &[&str],
) -> Result<Vec<Role>, PartnerCenterError> {
    let mut roles = Vec::with_capacity(names.len());
    if names.is_empty() {
        return Ok(roles);
    }
    let there = session.roles(&customer.id).await?;
    for name in names {
        let Some(id) = there.get(&name.to_lowercase()) else {
            let expected = "a directory role that Partner Center lists for the customer";
            let near = nearest(&name.to_lowercase(), there.keys().map(String::as_str));
            return Err(Problem::new(code::UNKNOWN_ROLE, "roles", name, expected)
                .suggest(near)
                .into());
        };
        roles.push(Role {
            id: id.clone(),
            name: (*name).to_owned(),
        });
    }
    Ok(roles)
}

/// Gives a user these roles; why not, if not.
pub(super) async fn add(
    session: &Session,
    steps: Steps<'_>,
    customer: &Customer,
    roles: &[Role],
    user: &str,
) -> Result<Option<Stopped>, PartnerCenterError> {
    for role in roles {
        let name = format!("{ROLE}{}", role.name);
        let step = session.step(steps, &name);
        let of = UserPath { customer, id: user };
        if let Err(stopped) = membership_step(session, &step, of, role, true).await? {
            return Ok(Some(stopped));
        }
    }
    Ok(None)
}

/// Has a user given a role, or a role taken from it.
pub(super) async fn membership_step(
    session: &Session,
    step: &Step<'_>,
    UserPath { customer, id: user }: UserPath<'_>,
    role: &Role,
    is_member: bool,
) -> Result<Done, PartnerCenterError> {
    let members = format!(
        "/customers/{}/directoryroles/{}/usermembers",
        segment(&customer.id),
        segment(&role.id)
    );
    let call = if is_member {
        Call::new(ADD_TO_ROLE, members).body(json!({
            "id": user,
            "attributes": { "objectType": "UserMember" },
        }))
    } else {
        Call::new(REMOVE_FROM_ROLE, format!("{members}/{}", segment(user)))
    };
    let call = call.of(&customer.id);
    let image = Image::new(Object::Role, customer, user);
    let image = if is_member {
        image.field("role", "", &role.id).field("name", "", &role.name)
    } else {
        image.field("role", &role.id, "").field("name", &role.name, "")
    };
    step.fixed(call, image, || async {
        let has = session.roles_now(&customer.id, user).await?;
        Ok(has.contains(&role.id.to_lowercase()) == is_member)
    })
    .await
}
