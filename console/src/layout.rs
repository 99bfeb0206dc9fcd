//! What all pages have around them.

use maud::{DOCTYPE, Markup, html};

/// The pages that the navigation names: path below `/console`, title, and the key after `g`.
const PLACES: [(&str, &str, &str); 8] = [
    ("", "Overview", "o"),
    ("/payments", "Payments", "p"),
    ("/reviews", "Reviews", "v"),
    ("/dead-letters", "Dead letters", "d"),
    ("/redrives", "Redrives", "r"),
    ("/queues", "Queues", "q"),
    ("/signers", "Signers", "s"),
    ("/webhooks", "Webhooks", "w"),
];

/// A page's content with its title.
pub(crate) struct Page {
    pub(crate) title: String,
    pub(crate) content: Markup,
    /// Whether the script loads it again every few seconds.
    pub(crate) live: bool,
}

impl Page {
    pub(crate) fn new(title: impl Into<String>, content: Markup) -> Self {
        Self { title: title.into(), content, live: false }
    }
}

/// The whole page; `path` says where in the console it is, `calls` what it is made of.
pub(crate) fn layout(page: &Page, path: &str, calls: &[String], is_development: bool) -> Markup {
    html! {
        (head(&page.title))
        body data-live[page.live] {
            (banner(is_development))
            a.skip href="#content" { "Skip to the content" }
            header {
                a.brand href=(crate::place::ROOT) { "Quittance" }
                nav aria-label="Pages" {
                    @for (place, title, key) in PLACES {
                        a href={ (crate::place::ROOT) (place) } data-key=(key) aria-current=[is_at(path, place).then_some("page")] {
                            (title)
                        }
                    }
                    a href={ (crate::place::ROOT) "/me" } data-key="m" aria-current=[is_at(path, "/me").then_some("page")] { "Me" }
                }
            }
            main #content tabindex="-1" { (page.content) }
            footer {
                @if !calls.is_empty() {
                    details {
                        summary { "This page as API calls" }
                        @for call in calls { pre tabindex="0" { code { (call) } } }
                    }
                }
            }
        }
    }
}

/// A page for somebody who is not signed in.
pub(crate) fn bare(page: &Page, is_development: bool) -> Markup {
    html! {
        (head(&page.title))
        body.bare { (banner(is_development)) main #content { (page.content) } }
    }
}

/// Nobody shall take a playground for the installation that takes money.
fn banner(is_development: bool) -> Markup {
    html! {
        @if is_development { aside.development aria-label="Mode" { "This is a playground: no money moves here." } }
    }
}

fn head(title: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en";
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="robots" content="noindex";
            title { (title) " · Quittance" }
            link rel="stylesheet" href={ (crate::place::ROOT) "/assets/console.css" };
            script src={ (crate::place::ROOT) "/assets/console.js" } defer {}
        }
    }
}

fn is_at(path: &str, place: &str) -> bool {
    let path = path.strip_prefix(crate::place::ROOT).unwrap_or(path);
    path == place || (!place.is_empty() && path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/')))
}
