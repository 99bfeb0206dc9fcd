//! What is known of a member.

use entities::{MemberId, NodeId, member, now};
use poem_openapi::{
    Object,
    types::{Example, MaybeUndefined},
};
use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use crate::time::Time;

macro_rules! details {
    ($($(#[doc = $doc:literal])+ $(#[oai($format:meta)])? $name:ident: $max:literal;)+) => {
        /// A customer of a node.
        #[derive(Clone, Debug, Object)]
        #[oai(example)]
        pub(crate) struct NewMember {
            /// The merchant's own id of the customer, unique for the node.
            #[oai(validator(min_length = 1, max_length = 255))]
            pub(crate) external_id: String,
            $($(#[doc = $doc])+ #[oai(validator(max_length = $max))] pub(crate) $name: Option<String>,)+
        }

        impl NewMember {
            /// As a row of the node.
            pub(crate) fn into_row(self, node_id: NodeId) -> member::ActiveModel {
                member::ActiveModel {
                    id: Set(MemberId::new()),
                    node_id: Set(node_id),
                    external_id: Set(self.external_id),
                    $($name: Set(given(self.$name)),)+
                    created_at: Set(now()),
                    updated_at: Set(now()),
                }
            }
        }

        impl From<NewMember> for payments::accept::NewMember {
            fn from(new: NewMember) -> Self {
                Self { external_id: new.external_id, $($name: given(new.$name)),+ }
            }
        }

        /// What may be changed of a member; what is left out stays as it is, null empties a field.
        #[derive(Object)]
        #[oai(example)]
        pub(crate) struct MemberChange {
            $($(#[doc = $doc])+ #[oai(validator(max_length = $max))] pub(crate) $name: MaybeUndefined<String>,)+
        }

        impl MemberChange {
            pub(crate) fn apply(self, member: &mut member::ActiveModel) {
                $(match self.$name {
                    MaybeUndefined::Undefined => {}
                    MaybeUndefined::Null => member.$name = Set(None),
                    MaybeUndefined::Value(value) => member.$name = Set(Some(value)),
                })+
            }
        }

        /// A node's customer.
        #[derive(Clone, Debug, Object)]
        pub(crate) struct Member {
            pub(crate) id: Uuid,
            pub(crate) node_id: Uuid,
            /// The merchant's own id of the customer.
            pub(crate) external_id: String,
            $($(#[doc = $doc])+ pub(crate) $name: Option<String>,)+
            pub(crate) created_at: Time,
            pub(crate) updated_at: Time,
        }

        impl From<member::Model> for Member {
            fn from(member: member::Model) -> Self {
                Self {
                    id: member.id.0,
                    node_id: member.node_id.0,
                    external_id: member.external_id,
                    $($name: member.$name,)+
                    created_at: member.created_at.into(),
                    updated_at: member.updated_at.into(),
                }
            }
        }
    };
}

details! {
    /// First name.
    name: 255;
    /// Last name.
    surname: 255;
    /// E-mail address.
    email: 320;
    /// Phone number.
    phone: 64;
    /// Number of an identity document.
    identity_number: 64;
    /// Tax office.
    tax_office: 255;
    /// Tax number.
    tax_number: 64;
    /// Street and number.
    address: 1024;
    /// District.
    district: 255;
    /// City.
    city: 255;
    /// Country.
    country: 255;
    /// Whom to ask for.
    contact_name: 255;
    /// Language and country, such as `de-AT`.
    locale: 35;
}

/// What is left empty is not known.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

impl Example for NewMember {
    fn example() -> Self {
        Self {
            external_id: "customer-17".to_owned(),
            name: Some("Ada".to_owned()),
            surname: Some("Lovelace".to_owned()),
            email: Some("ada@example.org".to_owned()),
            phone: None,
            identity_number: None,
            tax_office: None,
            tax_number: None,
            address: None,
            district: None,
            city: Some("London".to_owned()),
            country: Some("GB".to_owned()),
            contact_name: None,
            locale: Some("en-GB".to_owned()),
        }
    }
}

impl Example for MemberChange {
    fn example() -> Self {
        let mut change = Self {
            name: MaybeUndefined::Undefined,
            surname: MaybeUndefined::Undefined,
            email: MaybeUndefined::Undefined,
            phone: MaybeUndefined::Undefined,
            identity_number: MaybeUndefined::Undefined,
            tax_office: MaybeUndefined::Undefined,
            tax_number: MaybeUndefined::Undefined,
            address: MaybeUndefined::Undefined,
            district: MaybeUndefined::Undefined,
            city: MaybeUndefined::Undefined,
            country: MaybeUndefined::Undefined,
            contact_name: MaybeUndefined::Undefined,
            locale: MaybeUndefined::Undefined,
        };
        change.phone = MaybeUndefined::Value("+44 20 7946 0000".to_owned());
        change
    }
}
