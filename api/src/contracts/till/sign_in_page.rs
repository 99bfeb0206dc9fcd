//! Who may ask who the users are: staff with the permission, and a sign-in page where the names are public.

use payments::Caller;
use poem::{Request, RequestBody, Result, http::StatusCode};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, registry::Registry};

use crate::{
    access::{Allowed, Needs, UsersRead},
    edge::{Class, admit},
    state::State,
};

/// A caller who may read who the users are; none for a sign-in page.
pub(super) struct Reader(pub(super) Option<Caller>);

impl<'a> ApiExtractor<'a> for Reader {
    const TYPES: &'static [ApiExtractorType] = <Allowed<UsersRead> as ApiExtractor<'a>>::TYPES;

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Allowed<UsersRead> as ApiExtractor<'a>>::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        UsersRead::SCHEMES.to_vec()
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let public = request.data::<State>().is_some_and(|state| state.config().till.public_names);
        match Allowed::<UsersRead>::from_request(request, body, options).await {
            Ok(caller) => Ok(Self(Some(Caller::clone(&caller)))),
            Err(refused) if public && refused.status() == StatusCode::UNAUTHORIZED => {
                // The route is one of those that ask for a token, which strangers pay nothing for.
                admit(request, Class::Cheap)?;
                Ok(Self(None))
            }
            Err(refused) => Err(refused),
        }
    }
}
