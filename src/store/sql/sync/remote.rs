//! Pages of what Partner Center holds. It gives neither keys to go on from nor versions, so its list of customers is sorted
//! by their GUIDs on this side (on disk, if it is long), as are the users of each; and a record's version is a
//! fingerprint of what it holds. Whoever goes on after a crash reads the lists again, which takes few calls, and of
//! the records only those behind the last page.

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt, future};
use sha2::{Digest, Sha256};

use super::super::record::{Object, Record};
use super::page::{ALL_PARTS, Content, Identity, Original, Page};
use super::{SourceKey, Step};
use crate::db::DbError;
use crate::store::partner_center::Halt;
use crate::store::partner_center::reads::{Listed, Missed, Reader, SeatsOf, UserOf};
use crate::store::partner_center::subscription::Subscription;

/// Records of a page: each may take a call or two, and nothing is settled before it is full.
const PAGE: usize = 200;

const UNKEPT_OF_CUSTOMERS: &[&str] = &["tags", "external_id"];
const UNKEPT_OF_USERS: &[&str] = &[
    "job_title",
    "department",
    "office",
    "office_phone",
    "mobile_phone",
    "fax",
    "alternate_email",
    "street_address",
    "city",
    "state",
    "postal_code",
    "country",
    "flags",
    "password_set_at",
];

/// All records of one sort, in the order of their keys.
pub(super) struct Walk {
    step: Step,
    after: SourceKey,
    pieces: BoxStream<'static, Result<Piece, Halt>>,
}

/// A record, or keys that could not be read.
enum Piece {
    Read(Original),
    Unread(SourceKey, Missed),
}

impl Walk {
    /// The records behind `after`.
    pub(super) async fn begin(
        reader: Reader,
        step: Step,
        owner: Option<&str>,
        after: &SourceKey,
    ) -> Result<Self, Halt> {
        let customers = match owner {
            Some(id) => stream::iter([Ok(Listed::of_id(id))]).boxed(),
            None => reader.customers_by_id().await?,
        };
        let behind = after.clone();
        let customers = customers
            .try_filter(move |customer| {
                future::ready(match step {
                    Step::Customers => customer.id > behind.id,
                    // Of the customer that the last page ended in, more may follow.
                    _ => customer.id >= behind.id,
                })
            })
            .boxed();
        let pieces = pieces(reader, step, customers, after.clone());
        Ok(Self {
            step,
            after: after.clone(),
            pieces,
        })
    }

    /// Whether it is the list of that sort of record.
    pub(super) fn is_at(&self, step: Step) -> bool {
        self.step == step
    }

    /// The page that comes next.
    pub(super) async fn page(&mut self, owner: Option<String>) -> Result<Page, Halt> {
        let mut page = Page {
            step: self.step,
            after: self.after.clone(),
            until: None,
            owner,
            originals: Vec::new(),
            unread: Vec::new(),
            unkept: match self.step {
                Step::Customers => UNKEPT_OF_CUSTOMERS,
                Step::Users => UNKEPT_OF_USERS,
                Step::Seats | Step::Subscriptions => &[],
            },
        };
        while let Some(piece) = self.pieces.try_next().await? {
            let key = piece.key().clone();
            match piece {
                Piece::Read(original) => page.originals.push(original),
                Piece::Unread(key, missed) => page.unread.push((key, format!("{} ({})", missed.what, missed.why))),
            }
            if page.originals.len() + page.unread.len() == PAGE {
                self.after = key.clone();
                page.until = Some(key);
                break;
            }
        }
        Ok(page)
    }
}

impl Piece {
    fn key(&self) -> &SourceKey {
        match self {
            Piece::Read(original) => &original.key,
            Piece::Unread(key, _) => key,
        }
    }

    fn new(
        key: SourceKey,
        object: Object,
        values: &[(&'static str, String)],
        identity: Option<Identity>,
    ) -> Result<Self, DbError> {
        let mut record = Record::new(object, values)?;
        record.version = version(values);
        Ok(Self::Read(Original {
            owner: key.id.clone(),
            key,
            content: Some(Content { record, identity }),
        }))
    }
}

/// What a customer has, its users still without what lists do not say of them.
enum Found {
    Piece(Piece),
    User(UserOf),
}

impl Found {
    fn is_behind(&self, after: &SourceKey) -> bool {
        match self {
            Found::Piece(piece) => piece.key() > after,
            Found::User(user) => (&user.customer.id, &user.id) > (&after.id, &after.part),
        }
    }
}

type OfCustomer = BoxStream<'static, Result<Found, Halt>>;

/// The pieces behind `after`. Customers are asked about by themselves, several at a time, and so are users.
fn pieces(
    reader: Reader,
    step: Step,
    customers: BoxStream<'static, Result<Listed, Halt>>,
    after: SourceKey,
) -> BoxStream<'static, Result<Piece, Halt>> {
    let (at_once, asking) = (reader.at_once(), reader.clone());
    let found = customers.map_ok(move |customer| of_customer(asking.clone(), step, customer));
    let found = found.try_buffered(at_once).try_flatten();
    let found = found.try_filter(move |found| future::ready(found.is_behind(&after)));
    let pieces = found.map_ok(move |found| {
        let reader = reader.clone();
        async move {
            match found {
                Found::Piece(piece) => Ok(piece),
                Found::User(user) => of_user(&reader, &user).await,
            }
        }
    });
    pieces.try_buffered(at_once).boxed()
}

async fn of_customer(reader: Reader, step: Step, customer: Listed) -> Result<OfCustomer, Halt> {
    let id = customer.id.clone();
    let customer = Arc::new(customer);
    let read = match step {
        Step::Customers => reader.customer(&id).await?.map(|whole| vec![of_whole(&whole)]),
        Step::Seats => reader.seats(&customer).await?.map(|mut all| {
            all.sort_unstable_by(|one, other| one.sku_id.cmp(&other.sku_id));
            all.iter().map(|one| of_seats(&id, one)).collect()
        }),
        Step::Subscriptions => reader.subscriptions(&customer).await?.map(|mut all| {
            all.sort_by_cached_key(Subscription::id);
            all.iter().map(|one| of_subscription(&id, one)).collect()
        }),
        Step::Users => match reader.users_by_id(customer).await? {
            Ok(users) => return Ok(users.map_ok(Found::User).boxed()),
            Err(missed) => Err(missed),
        },
    };
    Ok(match read {
        Ok(pieces) => stream::iter(pieces)
            .map(|piece| piece.map(Found::Piece).map_err(Halt::Db))
            .boxed(),
        Err(missed) => {
            let part = if step == Step::Customers { "" } else { ALL_PARTS };
            let piece = Piece::Unread(SourceKey::new(&id, part), missed);
            stream::iter([Ok(Found::Piece(piece))]).boxed()
        }
    })
}

fn of_whole(customer: &Listed) -> Result<Piece, DbError> {
    let detail = |name: &'static str| (name, customer.detail(name).to_owned());
    let details = [
        "first_name",
        "last_name",
        "email",
        "phone",
        "address_line1",
        "address_line2",
        "city",
        "state",
        "postal_code",
        "country",
        "culture",
        "language",
    ];
    let mut values = vec![
        ("company_name", customer.company_name.clone()),
        ("relationship", customer.relationship.clone()),
    ];
    values.extend(details.map(detail));
    let identity = Identity {
        tenant_id: customer.id.clone(),
        domain: customer.domain.clone(),
        registration_number: customer.detail("registration_number").to_owned(),
        associated_partner_id: customer.detail("associated_partner_id").to_owned(),
        domains: customer.domains(),
    };
    Piece::new(
        SourceKey::new(&customer.id, ""),
        Object::Customer,
        &values,
        Some(identity),
    )
}

fn of_seats(customer: &str, seats: &SeatsOf) -> Result<Piece, DbError> {
    let values = [
        ("part_number", seats.part_number.clone()),
        ("seats", seats.seats.to_string()),
    ];
    Piece::new(SourceKey::new(customer, &seats.sku_id), Object::Seats, &values, None)
}

fn of_subscription(customer: &str, one: &Subscription) -> Result<Piece, DbError> {
    let time = |time: Option<i64>| time.map_or(String::new(), |millis| millis.to_string());
    let values = [
        ("subscription_id", one.id()),
        ("product", one.product().to_owned()),
        ("product_type", one.product_type().as_str().to_owned()),
        ("quantity", one.quantity().to_string()),
        ("status", one.status()),
        ("suspension_reason", one.suspension_reason()),
        ("auto_renew", one.auto_renew().to_owned()),
        ("term_ends", time(one.term_ends())),
        ("cancellable_until", time(one.cancellable_until())),
        ("partner_id_on_record", one.partner_id().to_owned()),
    ];
    Piece::new(SourceKey::new(customer, &one.id()), Object::Subscription, &values, None)
}

async fn of_user(reader: &Reader, user: &UserOf) -> Result<Piece, Halt> {
    let key = SourceKey::new(&user.customer.id, &user.id);
    let (licenses, roles) = match future::try_join(reader.licenses(user), reader.roles(user)).await? {
        (Ok(licenses), Ok(roles)) => (licenses, roles),
        (Err(missed), _) | (_, Err(missed)) => return Ok(Piece::Unread(key, missed)),
    };
    let mut skus: Vec<String> = licenses.into_iter().map(|license| license.sku_id).collect();
    skus.sort_unstable();
    let text = |name: &str| user.text(name).to_owned();
    let values = [
        ("user_principal_name", text("userPrincipalName")),
        ("display_name", text("displayName")),
        ("first_name", text("firstName")),
        ("last_name", text("lastName")),
        ("usage_location", text("usageLocation")),
        ("licenses", skus.join(";")),
        ("roles", roles.join(";")),
        // Not kept there; a user has to have some here.
        ("flags", "0".to_owned()),
    ];
    Ok(Piece::new(key, Object::User, &values, None)?)
}

/// A number that is the same as long as the record is, and none that copies have a meaning for.
fn version(values: &[(&'static str, String)]) -> i64 {
    let mut hasher = Sha256::new();
    for (name, value) in values {
        for part in [*name, value] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize()[..8]);
    i64::from_le_bytes(bytes) >> 1 & i64::MAX | 1
}
