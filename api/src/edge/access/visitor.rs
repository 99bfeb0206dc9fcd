//! The caller of a public route of a shop: a customer who has signed in, or a stranger.

use std::sync::Arc;

use entities::UserId;
use payments::{Actor, Caller, CallerKind};
use poem::{
    FromRequest, Request, RequestBody, Result,
    http::{StatusCode, header},
};

use super::{authenticate, cookies};
use crate::{
    edge::{Class, ClientAddress, EdgeState},
    idempotent::KeyHolder,
    problem::{Code, Problem},
};

/// A customer, or a stranger, who is known by the address alone.
pub(crate) struct Visitor {
    pub(crate) caller: Option<Arc<Caller>>,
    address: String,
}

impl<'a> FromRequest<'a> for Visitor {
    /// A bearer token has to be good, because a program means it; a browser's cookie that has run out must not keep a
    /// customer from paying.
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let state = request.data::<EdgeState>().ok_or_else(|| Problem::new(Code::Internal))?;
        let address = ClientAddress::from_request(request, body).await?.network();
        let caller = match authenticate(state, request, &[cookies::STORE_TOKEN], true, |_| true).await {
            Ok((caller, _)) => Some(caller),
            Err(problem) => {
                let unknown = poem::error::ResponseError::status(&problem) == StatusCode::UNAUTHORIZED;
                if !unknown || request.header(header::AUTHORIZATION).is_some() {
                    return Err(problem.into());
                }
                None
            }
        };
        Ok(Self { caller, address })
    }
}

impl Visitor {
    /// The customer, if one has signed in.
    pub(crate) fn user_id(&self) -> Option<UserId> {
        match self.caller.as_ref()?.kind {
            CallerKind::User(id) => Some(id),
            CallerKind::Integration(_) | CallerKind::Operator => None,
        }
    }

    /// Spends on a thing what a request about it costs, unless the caller may do something that customers may not.
    ///
    /// # Errors
    /// 429 with `Retry-After`.
    pub(crate) fn spend(&self, state: &EdgeState, kind: &str, id: &str, class: Class) -> Result<(), Problem> {
        match &self.caller {
            Some(caller) if caller.is_admin || !caller.permissions.is_empty() => Ok(()),
            _ => state.spend_on_subject(kind, id, class),
        }
    }

    /// The visitor as the payment's log names it.
    pub(crate) fn actor(&self) -> Actor {
        self.caller.as_ref().map_or_else(Actor::payer, |caller| caller.actor())
    }
}

impl KeyHolder for Visitor {
    /// Strangers' keys are distinguished by the address.
    fn scope(&self) -> String {
        self.caller.as_ref().map_or_else(|| format!("visitor:{}", self.address), |caller| caller.scope())
    }
}
