//! The languages that payers and shops are answered in.

use poem::{Request, http::header};

use super::texts;

/// A language that there are texts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// English, which everything is written in first.
    English,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Portuguese.
    Portuguese,
}

impl Language {
    const ALL: [Self; 4] = [Self::English, Self::French, Self::Spanish, Self::Portuguese];

    /// The language's tag.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Portuguese => "pt",
        }
    }

    /// The language of a tag such as `fr-KM`.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }

    /// What the request likes best of those that there are; English otherwise.
    pub(crate) fn of(request: &Request) -> Self {
        Self::among(request.header(header::ACCEPT_LANGUAGE))
    }

    /// The same of an `Accept-Language` header, if there is one.
    pub(super) fn among(accepted: Option<&str>) -> Self {
        accepted.and_then(Self::preferred).unwrap_or(Self::English)
    }

    /// The best of an `Accept-Language` header; of equally liked ones the first.
    fn preferred(accepted: &str) -> Option<Self> {
        let mut best: Option<(u32, Self)> = None;
        for part in accepted.split(',') {
            let (tag, parameters) = part.split_once(';').unwrap_or((part, ""));
            let weight = parameters.trim().strip_prefix("q=").map_or(Some(1_000), thousandths);
            let (Some(language), Some(weight)) = (Self::of_tag(tag.trim()), weight) else { continue };
            if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }

    /// A sentence of ours in this language; what there is no translation of stays as it is.
    pub(crate) fn translated(self, sentence: &str) -> String {
        texts::translate(sentence, self)
    }
}

/// A weight such as `0.8`, in thousandths.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let fraction = format!("{fraction:0<3}");
    Some(whole.parse::<u32>().ok()?.min(1) * 1_000 + fraction.get(..3)?.parse::<u32>().ok()?)
}

/// Says on a page in the language of this tag that no real money is moved.
pub(super) fn no_money(language: Option<&str>) -> &'static str {
    match language {
        Some("fr") => "Développement : aucun argent réel",
        Some("es") => "Desarrollo: no hay dinero real",
        Some("pt") => "Desenvolvimento: sem dinheiro real",
        _ => "Development: no real money",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_best_of_those_that_there_are() {
        for (accepted, language) in [
            ("fr-KM", Some(Language::French)),
            ("de, es;q=0.5, pt;q=0.9", Some(Language::Portuguese)),
            ("en;q=0.3, FR;q=0.30", Some(Language::English)),
            ("fr;q=0, es;q=0.001", Some(Language::Spanish)),
            ("de-CH, *;q=0.1", None),
            ("fr;q=nonsense, , ;;", None),
        ] {
            assert_eq!(Language::preferred(accepted), language, "{accepted}");
        }
    }
}
