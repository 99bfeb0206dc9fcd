//! What is wrong with a value, as shops and payers read it: the end of a sentence that begins with the value's name.

use payments::money::AmountError;

use super::{CheckoutWrong, Language};
use crate::problem::{Counted, Format, Kind, Mistake, Wrong};

/// French, Spanish, Portuguese; none of what no request to this contract can have wrong, or what is said in English alone.
type Row = Option<[String; 3]>;

/// The mistake as a sentence of its own.
pub(super) fn sentence(mistake: &Mistake, language: Language) -> String {
    let wrong = &mistake.wrong;
    if !mistake.pointer.is_empty() {
        return format!("{} {}", mistake.name(), wording(wrong, language));
    }
    if *wrong == Wrong::Unreadable {
        return language.translated("The body cannot be read");
    }
    let body = match language {
        Language::English => "The body",
        Language::French => "Le corps",
        Language::Spanish => "El cuerpo",
        Language::Portuguese => "O corpo",
    };
    format!("{body} {}", wording(wrong, language))
}

/// What is wrong, in this language.
pub(super) fn wording(wrong: &Wrong, language: Language) -> String {
    let place = |[french, spanish, portuguese]: [String; 3]| match language {
        Language::English => None,
        Language::French => Some(french),
        Language::Spanish => Some(spanish),
        Language::Portuguese => Some(portuguese),
    };
    row(wrong).and_then(place).unwrap_or_else(|| wrong.to_string())
}

#[rustfmt::skip]
fn row(wrong: &Wrong) -> Row {
    match wrong {
        Wrong::Required => texts(["est obligatoire", "es obligatorio", "é obrigatório"]),
        Wrong::Null => texts(["est obligatoire et ne doit pas être nul", "es obligatorio y no debe ser nulo", "é obrigatório e não pode ser nulo"]),
        Wrong::NotA(kind) => texts(of_kind(*kind)),
        Wrong::Empty => texts(["ne doit pas être vide", "no debe estar vacío", "não pode estar vazio"]),
        Wrong::Blank => texts(["ne doit pas être blanc", "no debe estar en blanco", "não pode estar em branco"]),
        Wrong::TooMany { max, of } => units(*of).map(|[french, spanish, portuguese]| {
            [format!("doit avoir au plus {max} {french}"), format!("debe tener como máximo {max} {spanish}"), format!("deve ter no máximo {max} {portuguese}")]
        }),
        Wrong::TooFew { min, of } => units(*of).map(|[french, spanish, portuguese]| {
            [format!("doit avoir au moins {min} {french}"), format!("debe tener al menos {min} {spanish}"), format!("deve ter pelo menos {min} {portuguese}")]
        }),
        Wrong::GreaterThan(bound) => Some([format!("doit être supérieur à {bound}"), format!("debe ser mayor que {bound}"), format!("deve ser maior que {bound}")]),
        Wrong::AtLeast(min) => Some([format!("doit être au moins {min}"), format!("debe ser al menos {min}"), format!("deve ser pelo menos {min}")]),
        Wrong::AtMost(max) => Some([format!("doit être au plus {max}"), format!("debe ser como máximo {max}"), format!("deve ser no máximo {max}")]),
        Wrong::IntegerWithin { min, max } => Some([format!("doit être un entier de {min} à {max}"), format!("debe ser un entero de {min} a {max}"), format!("deve ser um inteiro de {min} a {max}")]),
        Wrong::Amount(error) => of_amount(*error),
        Wrong::Format(format) => of_format(*format),
        Wrong::OneOf(words) => {
            let words = words.join(", ");
            Some([format!("doit être l’un de {words}"), format!("debe ser uno de {words}"), format!("deve ser um de {words}")])
        }
        Wrong::UnknownWord => texts(["doit être l’un des mots documentés", "debe ser una de las palabras documentadas", "deve ser uma das palavras documentadas"]),
        Wrong::Nul => texts(["ne doit pas contenir le caractère U+0000", "no debe contener el carácter U+0000", "não pode conter o carácter U+0000"]),
        Wrong::NotJson(why) => Some([format!("n’est pas du JSON : {why}"), format!("no es JSON: {why}"), format!("não é JSON: {why}")]),
        Wrong::NotJsonOfOurs => texts(["n’est pas du JSON", "no es JSON", "não é JSON"]),
        Wrong::Repeated => texts(["est donné plus d’une fois", "se da más de una vez", "é dado mais de uma vez"]),
        Wrong::RepeatedWithin => texts(["a deux fois le même champ dans un objet", "tiene dos veces el mismo campo en un objeto", "tem duas vezes o mesmo campo num objeto"]),
        Wrong::HeaderNotOnce => texts(["doit être envoyé une fois, en caractères ASCII visibles", "debe enviarse una vez, en caracteres ASCII visibles", "deve ser enviado uma vez, em caracteres ASCII visíveis"]),
        Wrong::Unreadable => texts(["est illisible", "no se puede leer", "não pode ser lido"]),
        Wrong::UnreadableWithin => texts(["a une valeur illisible", "tiene un valor que no se puede leer", "tem um valor que não pode ser lido"]),
        Wrong::Own(own) => own.get::<CheckoutWrong>().and_then(|wrong| texts(of_checkout(*wrong))),
        Wrong::Inexact
        | Wrong::UnknownField
        | Wrong::UnknownFieldWithin
        | Wrong::NotACursor
        | Wrong::BehindPages(_)
        | Wrong::Past
        | Wrong::TooSoon(_)
        | Wrong::WebhookUrl(_)
        | Wrong::UnknownEvent { .. }
        | Wrong::TokenDecimals(_)
        | Wrong::OtherChain { .. }
        | Wrong::NotForJob(_)
        | Wrong::Rule(_)
        | Wrong::Reported(_) => None,
    }
}

fn texts(row: [&str; 3]) -> Row {
    Some(row.map(str::to_owned))
}

#[rustfmt::skip]
fn of_kind(kind: Kind) -> [&'static str; 3] {
    match kind {
        Kind::Object => ["doit être un objet", "debe ser un objeto", "deve ser um objeto"],
        Kind::Array => ["doit être un tableau", "debe ser una lista", "deve ser uma lista"],
        Kind::Integer => ["doit être un entier", "debe ser un entero", "deve ser um inteiro"],
        Kind::Number => ["doit être un nombre", "debe ser un número", "deve ser um número"],
        Kind::Boolean => ["doit être vrai ou faux", "debe ser verdadero o falso", "deve ser verdadeiro ou falso"],
        Kind::String => ["doit être un texte", "debe ser un texto", "deve ser um texto"],
    }
}

/// Their names; none of what nothing here is counted in.
fn units(of: Counted) -> Option<[&'static str; 3]> {
    match of {
        Counted::Characters => Some(["caractères", "caracteres", "caracteres"]),
        Counted::Items => Some(["éléments", "elementos", "elementos"]),
        Counted::Bytes | Counted::BytesAsJson | Counted::Values | Counted::Levels | Counted::Headers => None,
    }
}

#[rustfmt::skip]
fn of_amount(error: AmountError) -> Row {
    match error {
        AmountError::NotPositive => texts(["doit être supérieur à zéro", "debe ser mayor que cero", "deve ser maior que zero"]),
        AmountError::TooFine(digits) => Some([format!("a plus de {digits} décimales, que la devise n’a pas"), format!("tiene más de {digits} decimales, que son los de la moneda"), format!("tem mais de {digits} casas decimais, que são as da moeda")]),
        AmountError::TooLarge => texts(["est trop grand", "es demasiado grande", "é demasiado grande"]),
        AmountError::RateTooFine(_) => None,
    }
}

#[rustfmt::skip]
fn of_format(format: Format) -> Row {
    match format {
        Format::Uuid => texts(["doit être un UUID", "debe ser un UUID", "deve ser um UUID"]),
        Format::Email => texts(["doit être une adresse e-mail", "debe ser una dirección de correo", "deve ser um endereço de e-mail"]),
        Format::WebUrl => texts(["doit être une URL http ou https", "debe ser una URL http o https", "deve ser um URL http ou https"]),
        Format::IdempotencyKey => texts(["doit avoir de 1 à 255 caractères ASCII visibles", "debe tener de 1 a 255 caracteres ASCII visibles", "deve ter de 1 a 255 caracteres ASCII visíveis"]),
        Format::Time
        | Format::Ipv4
        | Format::QueryUrl
        | Format::QueryText
        | Format::Decimal
        | Format::EvmAddress => None,
    }
}

#[rustfmt::skip]
fn of_checkout(wrong: CheckoutWrong) -> [&'static str; 3] {
    match wrong {
        CheckoutWrong::RequiredInEmbeddedMode => ["est obligatoire en mode intégré", "es obligatorio en modo integrado", "é obrigatório no modo incorporado"],
        CheckoutWrong::UnknownCurrency => ["n’est pas une devise d’ISO 4217 payable ici", "no es una moneda de ISO 4217 que se pueda pagar aquí", "não é uma moeda da ISO 4217 que se possa pagar aqui"],
        CheckoutWrong::OtherCurrency => ["doit être la devise du total", "debe ser la moneda del total", "deve ser a moeda do total"],
        CheckoutWrong::Fraction => ["doit être un entier : la devise n’a pas de décimales", "debe ser un entero: la moneda no tiene decimales", "deve ser um inteiro: a moeda não tem decimais"],
        CheckoutWrong::Quantity => ["doit être un nombre supérieur à zéro en chiffres, comme 2", "debe ser un número mayor que cero en cifras, por ejemplo 2", "deve ser um número maior que zero em algarismos, como 2"],
        CheckoutWrong::WrittenAmount => ["doit être un montant en texte, comme 1500 ou 12.50", "debe ser un importe como texto, por ejemplo 1500 o 12.50", "deve ser um montante em texto, como 1500 ou 12.50"],
        CheckoutWrong::Phone => ["doit être un numéro de téléphone comme +2693210000", "debe ser un número de teléfono como +2693210000", "deve ser um número de telefone como +2693210000"],
        CheckoutWrong::Locale => ["doit être une locale comme fr-KM", "debe ser una configuración regional como fr-KM", "deve ser uma localidade como fr-KM"],
        CheckoutWrong::Country => ["doit être un pays d’ISO 3166-1, deux majuscules", "debe ser un país de ISO 3166-1, dos mayúsculas", "deve ser um país da ISO 3166-1, duas maiúsculas"],
        CheckoutWrong::GrantType => ["doit être client_credentials", "debe ser client_credentials", "deve ser client_credentials"],
        CheckoutWrong::Basic => ["doit contenir un identifiant client et son secret, séparés par deux-points, en Base64", "debe contener un identificador de cliente y su secreto, separados por dos puntos, en Base64", "deve conter um identificador de cliente e o seu segredo, separados por dois pontos, em Base64"],
        CheckoutWrong::BesideBasic => ["ne doit pas être envoyé en plus de HTTP Basic", "no debe enviarse junto con HTTP Basic", "não pode ser enviado com HTTP Basic"],
        CheckoutWrong::OtherThanBasic => ["doit être celui de HTTP Basic, ou être omis", "debe ser el de HTTP Basic u omitirse", "deve ser o de HTTP Basic, ou ser omitido"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_begin_with_what_is_wrong() {
        let worded = |pointer: &str, wrong: Wrong, language| sentence(&Mistake::in_body(pointer, wrong), language);
        let pages = || Wrong::IntegerWithin { min: 1, max: 100 };
        assert_eq!(wording(&pages(), Language::French), "doit être un entier de 1 à 100");
        assert_eq!(worded("/limit", pages(), Language::Spanish), "limit debe ser un entero de 1 a 100");
        assert_eq!(worded("", Wrong::Required, Language::French), "Le corps est obligatoire");
        assert_eq!(worded("", Wrong::Required, Language::English), "The body is required");
        assert_eq!(worded("", Wrong::Unreadable, Language::French), "Le corps ne peut pas être lu");
        assert_eq!(worded("/id", Wrong::Unreadable, Language::French), "id est illisible");
        assert_eq!(wording(&Wrong::Required, Language::English), "is required");
    }

    #[test]
    fn what_has_no_translation_is_english() {
        let wrong = Wrong::TooMany { max: 16, of: Counted::Levels };
        assert_eq!(wording(&wrong, Language::Portuguese), "must have at most 16 levels");
        let wrong = Wrong::TooMany { max: 16, of: Counted::Items };
        assert_eq!(wording(&wrong, Language::Portuguese), "deve ter no máximo 16 elementos");
    }
}
