//! The operators' console by plain HTTP, which is what a browser without JavaScript does.

use std::time::{Duration, Instant};

use reqwest::{Client, Response, redirect::Policy};

use crate::{merchant::http, operator::deploy_unknown, world::World};

/// The pages that the navigation names.
const PAGES: [&str; 9] =
    ["", "/payments", "/reviews", "/dead-letters", "/redrives", "/queues", "/signers", "/webhooks", "/me"];

/// A browser without JavaScript.
struct Browser {
    http: Client,
    base_url: String,
    cookies: String,
}

impl Browser {
    fn of(world: &World) -> Self {
        // The other client installs what encrypts, once for all.
        drop(http());
        let http = Client::builder().redirect(Policy::none()).timeout(Duration::from_secs(30)).build().unwrap();
        Self { http, base_url: world.base_url.clone(), cookies: String::new() }
    }

    async fn signed_in(world: &World) -> Self {
        let mut browser = Self::of(world);
        let admin = &world.bootstrap["admin"];
        let form = format!("name={}&pin={}", admin["name"].as_str().unwrap(), admin["pin"].as_str().unwrap());
        let answer = browser.send("/console/sign-in?back=%2Fconsole%2Fqueues", &form).await;
        assert_eq!(answer.headers()["location"], "/console/queues", "{}", answer.status());
        let cookies = answer.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        browser.cookies = cookies.map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ");
        browser
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.base_url)).header("cookie", &self.cookies).send().await.unwrap()
    }

    async fn send(&self, path: &str, form: &str) -> Response {
        self.send_from(&self.base_url, path, form).await
    }

    async fn send_from(&self, origin: &str, path: &str, form: &str) -> Response {
        let request = self.http.post(format!("{}{path}", self.base_url)).header("cookie", &self.cookies);
        let request = request.header("content-type", "application/x-www-form-urlencoded").header("origin", origin);
        request.body(form.to_owned()).send().await.unwrap()
    }

    /// A page as text, which is whole.
    async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        let (status, policy) = (answer.status(), answer.headers().get("content-security-policy").cloned());
        let text = answer.text().await.unwrap();
        assert_eq!(status, 200, "{path}: {text}");
        assert!(policy.is_some_and(|policy| policy.to_str().unwrap().contains("default-src 'none'")), "{path}");
        text
    }

    /// Loads the page again until it shows this.
    async fn until_shown(&self, path: &str, part: &str) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let page = self.page(path).await;
            if page.contains(part) {
                return page;
            }
            assert!(Instant::now() < until, "{path} does not show {part}:\n{page}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Where the first link that begins like this leads.
fn link(page: &str, beginning: &str) -> String {
    let start = page.find(&format!("href=\"{beginning}")).unwrap_or_else(|| panic!("no {beginning} in {page}")) + 6;
    let end = page[start..].find('"').unwrap();
    page[start..start + end].replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_found_in_two_clicks_and_redriven_without_a_script() {
    let world = World::embedded().await;
    deploy_unknown(&world, 3).await;
    let browser = Browser::signed_in(&world).await;
    let overview = browser.until_shown("/console", "3 letters").await;
    let cause = browser.page(&link(&overview, "/console/dead-letters?fingerprint=")).await;
    assert!(cause.contains("unknown_diamond"), "{cause}");
    let redrive = link(&cause, "/console/dead-letters/redrive");
    let dry_run = browser.page(&redrive).await;
    assert!(dry_run.contains("<b>3</b> of 3") && dry_run.contains("would fail again"), "{dry_run}");

    let form = "reason=they+are+known+now&canary=1&rate=10&stop=100";
    let foreign = browser.send_from("https://evil.example", &redrive, form).await;
    assert_eq!(foreign.status(), 403, "a form of somebody else's page starts nothing");
    let started = browser.send(&redrive, form).await;
    assert_eq!(started.status(), 303);
    let run = started.headers()["location"].to_str().unwrap().to_owned();
    browser.until_shown(&run, "they are known now").await;
    let list = browser.page("/console/redrives").await;
    assert!(list.contains("they are known now"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_small_and_their_own_and_strangers_see_none() {
    let world = World::embedded().await;
    let (browser, stranger) = (Browser::signed_in(&world).await, Browser::of(&world));
    for page in PAGES {
        let path = format!("/console{page}");
        let shown = browser.page(&path).await;
        assert!(shown.len() < 100_000, "{path} has {} bytes", shown.len());
        assert!(shown.contains("This is a playground"), "{path}: {shown}");
        for foreign in ["src=\"http", "href=\"http", "<style", " style=", " onclick=", "<script>"] {
            assert!(!shown.contains(foreign), "{path} has {foreign}: {shown}");
        }
        let refused = stranger.get(&path).await;
        assert_eq!(refused.status(), 303, "{path}");
        assert!(refused.headers()["location"].to_str().unwrap().starts_with("/console/sign-in?back="), "{path}");
    }
    assert_eq!(stranger.get("/console/nothing").await.status(), 404);
    assert_eq!(stranger.send("/console/sign-in", &"x".repeat(70_000)).await.status(), 413);
    assert!(stranger.page("/console/sign-in").await.contains("This is a playground"));
    let wrong = stranger.send("/console/sign-in", "name=admin&pin=wrong").await.text().await.unwrap();
    assert!(wrong.contains("Nobody has this name and PIN."), "{wrong}");

    let style = stranger.get("/console/assets/console.css").await;
    let tag = style.headers()["etag"].to_str().unwrap().to_owned();
    let known = stranger.http.get(style.url().clone()).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    let left = browser.send("/console/sign-out", "").await;
    assert_eq!(left.headers()["location"], "/console/sign-in");
    assert_eq!(browser.get("/console").await.status(), 303, "the token is revoked");
}
