//! Users of customers: all of a customer's, as of when they were first asked for, and single ones as they are now.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tenantry_jobs::key;

use super::{KnownOnce, Session};
use crate::auth::TokenKind;
use crate::client::{Call, CallError, Operation};
use crate::paging::ListPages;
use crate::records::User;
use crate::text::{segment, text};
use crate::{CUSTOMERS_AT_ONCE, PartnerCenterError};
use tenantry_foundation::lock::lock;

const LIST_USERS: Operation = Operation::new("list-users", "GET", TokenKind::AppAndUser);
const GET_USER: Operation = Operation::new("get-user", "GET", TokenKind::AppAndUser);
/// Users of a page; the service gives no more.
const USERS: &str = "100";
/// Directories that are kept whatever their size. Rows of no more customers than half of these take turns.
const DIRECTORIES: usize = 2 * CUSTOMERS_AT_ONCE;
/// More of them are kept as long as they have no more users than this together.
const USERS_KEPT: usize = 50_000;

/// By the key of the sign-in name, where there may be several of one name by id too.
pub(super) type Users = Arc<HashMap<String, User>>;
/// A customer, and whether those of its users are meant that were deleted.
pub(super) type Whose = (String, bool);

impl Session {
    /// A customer's users, by the key of the sign-in name.
    pub(crate) async fn users(&self, customer: &str) -> Result<Users, PartnerCenterError> {
        self.users_of((customer.to_owned(), false)).await
    }

    /// Those of a customer's users that were deleted and can be restored yet, by id and by the key of the sign-in name. Of
    /// several of one name, the last one deleted has it.
    pub(crate) async fn deleted_users(&self, customer: &str) -> Result<Users, PartnerCenterError> {
        self.users_of((customer.to_owned(), true)).await
    }

    async fn users_of(&self, whose: Whose) -> Result<Users, PartnerCenterError> {
        let cell = {
            let mut kept = lock(&self.users);
            let known = kept.iter().position(|(of, _)| *of == whose);
            // Those that were needed last are at the end.
            let (_, cell) = known.map_or_else(|| (whose.clone(), KnownOnce::default()), |at| kept.remove(at));
            let size = |(_, cell): &(Whose, KnownOnce<Users>)| cell.get().map_or(0, |users| users.len());
            while kept.len() >= DIRECTORIES && kept.iter().map(size).sum::<usize>() > USERS_KEPT {
                kept.remove(0);
            }
            kept.push((whose.clone(), cell.clone()));
            cell
        };
        let users = cell.get_or_try_init(|| self.read_users(&whose)).await?;
        Ok(users.clone())
    }

    async fn read_users(&self, (customer, deleted): &Whose) -> Result<Users, PartnerCenterError> {
        let mut users: HashMap<String, User> = HashMap::new();
        let mut pages = Self::user_pages(customer, *deleted);
        while let Some(page) = pages.next(&self.client).await.map_err(PartnerCenterError::of)? {
            for user in page.iter().map(User::read) {
                let name = key::user_name(&user.sign_in_name).into_owned();
                if *deleted {
                    users.insert(user.id.to_lowercase(), user.clone());
                }
                if users.get(&name).is_none_or(|other| other.deleted_at <= user.deleted_at) {
                    users.insert(name, user);
                }
            }
        }
        Ok(Arc::new(users))
    }

    pub(crate) fn user_pages(customer: &str, deleted: bool) -> ListPages {
        let path = format!("/customers/{}/users", segment(customer));
        let mut first = Call::new(LIST_USERS, path.clone()).query("size", USERS);
        if deleted {
            let filter = json!({ "Field": "UserState", "Value": "Inactive", "Operator": "equals" });
            first = first.query("filter", filter.to_string());
        }
        ListPages::new(LIST_USERS, first, customer, &path)
    }

    /// The user of that id as the store has it now, if it is not deleted.
    pub(crate) async fn user_of_id(&self, customer: &str, id: &str) -> Result<Option<User>, PartnerCenterError> {
        let path = format!("/customers/{}/users/{}", segment(customer), segment(id));
        let answer = self.client.read(&Call::new(GET_USER, path).of(customer)).await;
        match answer {
            Ok(answer) => {
                let is_deleted = text(&answer.body, "state").eq_ignore_ascii_case("inactive");
                Ok((!is_deleted).then(|| User::read(&answer.body)))
            }
            Err(CallError::Answered(failure, _)) if failure.status == 404 => Ok(None),
            Err(error) => Err(PartnerCenterError::of(error)),
        }
    }

    /// The user of that name as the store has it now.
    pub(crate) async fn user_now(&self, customer: &str, name: &str) -> Result<Option<User>, PartnerCenterError> {
        let mut pages = Self::user_pages(customer, false);
        while let Some(page) = pages.next(&self.client).await.map_err(PartnerCenterError::of)? {
            let named = |user: &&Value| key::same_user_name(text(user, "userPrincipalName"), name);
            if let Some(user) = page.iter().find(named) {
                return Ok(Some(User::read(user)));
            }
        }
        Ok(None)
    }
}
