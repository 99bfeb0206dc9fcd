//! Signing in, signing out, and who one is.

use maud::{Markup, html};
use poem::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::{
    api::with_query,
    browser::own,
    layout::Page,
    parts::fact,
    place::ROOT,
    problem::{Failure, Problem},
    visit::{Outcome, Visit},
};

#[derive(Deserialize)]
struct Me {
    user: User,
    perms: Vec<Permission>,
}

#[derive(Deserialize)]
struct User {
    name: String,
    role: String,
}

#[derive(Deserialize)]
struct Permission {
    name: String,
    description: String,
    enabled: bool,
}

#[derive(Deserialize)]
struct Blocked {
    #[serde(rename = "retryAfter")]
    retry_after: u64,
}

/// The page for signing in, which leads back to where one was.
pub(super) fn address(back: &str) -> String {
    with_query(&format!("{ROOT}/sign-in"), &[("back", own(back))])
}

pub(super) async fn sign_in(visit: &mut Visit) -> Result<Outcome, Failure> {
    let back = own(visit.query.get("back")).to_owned();
    let Some(form) = &visit.form else {
        // The access token lives for minutes and the refresh token for days.
        let refreshed = visit.api.send(Method::POST, "/auth/refresh", None).await?;
        return Ok(match refreshed.status {
            StatusCode::OK => Outcome::SeeOther(back, refreshed.cookies()),
            _ => Outcome::Bare(page(None)),
        });
    };
    let credentials = json!({ "name": form.get("name"), "pin": form.get("pin") });
    let answer = visit.api.send(Method::POST, "/auth/login", Some(&credentials)).await?;
    visit.api.forget_calls();
    Ok(match answer.status {
        StatusCode::OK => Outcome::SeeOther(back, answer.cookies()),
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = answer.json::<Blocked>().map_or(60, |blocked| blocked.retry_after);
            Outcome::Bare(page(Some(&format!("Too many wrong tries. Please try again in {wait} seconds."))))
        }
        StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            Outcome::Bare(page(Some("Nobody has this name and PIN.")))
        }
        status => return Err(answer.json::<Problem>().unwrap_or_else(|_| Problem::unreadable(status)).into()),
    })
}

fn page(notice: Option<&str>) -> Page {
    let content = html! {
        form.sign-in method="post" {
            p.brand { "Quittance" }
            h1 { "Sign in" }
            @if let Some(notice) = notice { p.notice.red role="alert" { (notice) } }
            label.field { span { "Name" } input name="name" autocomplete="username" required autofocus; }
            label.field {
                span { "PIN" }
                input name="pin" type="password" inputmode="numeric" autocomplete="current-password" required;
            }
            button.primary type="submit" { "Sign in" }
        }
    };
    Page::new("Sign in", content)
}

pub(super) async fn sign_out(visit: &mut Visit) -> Result<Outcome, Failure> {
    let answer = visit.api.post("/auth/logout", None).await?;
    Ok(Outcome::SeeOther(format!("{ROOT}/sign-in"), answer.cookies()))
}

pub(super) async fn me(visit: &mut Visit) -> Result<Outcome, Failure> {
    let Me { user, perms } = visit.api.get("/users/me", &[]).await?;
    let content = html! {
        h1 { "Who am I" }
        dl.facts { (fact("Name", &html! { (user.name) })) (fact("Role", &html! { (user.role) })) }
        (permissions(&perms))
        form method="post" action={ (ROOT) "/sign-out" } { button type="submit" { "Sign out" } }
    };
    Ok(Page::new("Who am I", content).into())
}

fn permissions(all: &[Permission]) -> Markup {
    let granted: Vec<_> = all.iter().filter(|permission| permission.enabled).collect();
    html! {
        h2 { "What I may do" }
        @if granted.is_empty() { p.empty { "Nothing: ask somebody who manages roles." } }
        ul { @for permission in granted { li { code { (permission.name) } " " (permission.description) } } }
    }
}
