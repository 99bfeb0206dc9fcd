//! JSON arrays that are written while they are read, so that a long list takes no more memory than a page of it.

use std::{io, marker::PhantomData};

use futures_util::{Stream, StreamExt, stream};
use poem::{Body, IntoResponse, Response};
use poem_openapi::{
    payload::{Json, Payload},
    registry::{MetaSchemaRef, Registry},
    types::{ToJSON, Type},
};

use crate::problem::Problem;

/// A list of these as a body.
pub(crate) struct JsonArray<T> {
    body: Body,
    items: PhantomData<fn() -> T>,
}

impl<T: ToJSON> JsonArray<T> {
    /// The pages one after the other. One that cannot be read cuts the connection: the array is never closed then, and its
    /// reader sees that something is missing.
    pub(crate) fn of(pages: impl Stream<Item = Result<Vec<T>, Problem>> + Send + 'static) -> Self {
        let mut separator = "";
        let pages = pages.map(move |page| {
            let page = page.map_err(|problem| {
                tracing::error!(%problem, "a list was cut off");
                io::Error::other("the list cannot be read to its end")
            })?;
            let mut text = String::new();
            for item in page {
                text.push_str(separator);
                text.push_str(&item.to_json_string());
                separator = ",";
            }
            Ok(text)
        });
        let bracket = |bracket: &str| stream::iter([Ok::<_, io::Error>(bracket.to_owned())]);
        let body = Body::from_bytes_stream(bracket("[").chain(pages).chain(bracket("]")));
        Self { body, items: PhantomData }
    }
}

impl<T: Type> Payload for JsonArray<T> {
    const CONTENT_TYPE: &'static str = <Json<Vec<T>> as Payload>::CONTENT_TYPE;

    fn schema_ref() -> MetaSchemaRef {
        Vec::<T>::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T> IntoResponse for JsonArray<T> {
    fn into_response(self) -> Response {
        Response::builder().content_type("application/json; charset=utf-8").body(self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    async fn text(pages: Vec<Result<Vec<u32>, Problem>>) -> Result<String, ()> {
        let array = JsonArray::of(stream::iter(pages));
        array.into_response().into_body().into_string().await.map_err(|_| ())
    }

    #[tokio::test]
    async fn pages_make_one_array() {
        for (pages, expected) in [
            (vec![], "[]"),
            (vec![vec![]], "[]"),
            (vec![vec![1]], "[1]"),
            (vec![vec![1, 2], vec![], vec![3]], "[1,2,3]"),
        ] {
            assert_eq!(text(pages.into_iter().map(Ok).collect()).await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_read_to_its_end_has_none() {
        assert!(text(vec![Ok(vec![1]), Err(Problem::new(Code::Unavailable))]).await.is_err());
    }
}
