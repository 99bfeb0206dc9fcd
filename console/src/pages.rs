//! Which page an address is, and what becomes of it.

mod dead_letters;
mod letter;
mod overview;
mod payment;
mod payments;
mod queues;
mod redrives;
mod reviews;
mod sign_in;
mod signers;
mod webhooks;

use std::sync::Arc;

use poem::{
    Request, Response,
    endpoint::BoxEndpoint,
    http::{Method, StatusCode, header},
};

use crate::{
    api::Api,
    assets,
    browser::{self, Fields},
    layout::{self, Page},
    place::ROOT,
    problem::{Failure, Problem},
    visit::{Outcome, Visit},
};

/// Answers what is below `/console`.
pub(crate) async fn answer(endpoint: &Arc<BoxEndpoint<'static, Response>>, mut request: Request) -> Response {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    if let Some(file) = path.strip_prefix(ROOT).and_then(|path| path.strip_prefix("/assets/")) {
        let file = assets::file(file, &request);
        return file.unwrap_or_else(|| refused(&Problem::not_found(), &path));
    }
    let address = request.uri().path_and_query().map_or(ROOT, |address| address.as_str()).to_owned();
    let form = match *request.method() {
        Method::GET | Method::HEAD => None,
        Method::POST => match Fields::of_form(&mut request).await {
            Ok(form) => Some(form),
            Err(problem) => return refused(&problem, &path),
        },
        _ => {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Pages are read and forms are sent", "");
            return refused(&problem, &path);
        }
    };
    let query = Fields::of_query(&request);
    let mut visit = Visit { api: Api::of(endpoint, &request), address, query, form };
    let outcome = route(&mut visit, &path).await;
    let posture = visit.api.posture().await;
    let mut response = finish(&visit, &path, outcome, posture.is_development);
    if let Some(https_only) = posture.https_only {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, https_only);
    }
    response
}

async fn route(visit: &mut Visit, path: &str) -> Result<Outcome, Failure> {
    let path = path.strip_prefix(ROOT).unwrap_or(path);
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    // Ids go into the API's paths as they are.
    if segments.iter().any(|segment| !segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')) {
        return Err(Problem::not_found().into());
    }
    match (segments.as_slice(), visit.form.is_some()) {
        (["sign-in"], _) => sign_in::sign_in(visit).await,
        (["sign-out"], true) => sign_in::sign_out(visit).await,
        (["me"], false) => sign_in::me(visit).await,
        ([], false) => overview::page(visit).await,
        (["queues"], false) => queues::page(visit).await,
        (["dead-letters", rest @ ..], _) => dead_letters::route(visit, rest).await,
        (["redrives", rest @ ..], _) => redrives::route(visit, rest).await,
        (["payments"], false) => payments::page(visit).await,
        (["payments", id, rest @ ..], _) => payment::route(visit, id, rest).await,
        (["reviews", rest @ ..], _) => reviews::route(visit, rest).await,
        (["signers", rest @ ..], _) => signers::route(visit, rest).await,
        (["webhooks", rest @ ..], _) => webhooks::route(visit, rest).await,
        _ => Err(Problem::not_found().into()),
    }
}

fn finish(visit: &Visit, path: &str, outcome: Result<Outcome, Failure>, is_development: bool) -> Response {
    match outcome {
        Ok(Outcome::Page(page)) => {
            let page = layout::layout(&page, path, visit.api.calls(), is_development);
            browser::page(StatusCode::OK, page)
        }
        Ok(Outcome::Bare(page)) => browser::page(StatusCode::OK, layout::bare(&page, is_development)),
        Ok(Outcome::SeeOther(to, cookies)) => browser::see_other(&to, cookies),
        Err(Failure::SignIn) => browser::see_other(&sign_in::address(&visit.address), Vec::new()),
        Err(Failure::Refused(problem)) => refused(&problem, path),
    }
}

fn refused(problem: &Problem, path: &str) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let page = Page::new("Refused", problem.show());
    browser::page(status, layout::layout(&page, path, &[], false))
}
