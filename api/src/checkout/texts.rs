//! Everything that shops and payers read, in four languages: the one table of it. `{}` stands for what is filled in.

use super::Language;

/// English, French, Spanish, Portuguese.
type Row = [&'static str; 4];

/// Titles of problems, sentences of refusals, and the words of the pages.
#[rustfmt::skip]
const TEXTS: &[Row] = &[
    // Titles of problems.
    ["The request cannot be read", "La requête est illisible", "La solicitud no se puede leer", "O pedido não pode ser lido"],
    ["The request has invalid values", "La requête contient des valeurs non valides", "La solicitud contiene valores no válidos", "O pedido contém valores inválidos"],
    ["Authentication is required", "Une authentification est requise", "Se requiere autenticación", "É necessária autenticação"],
    ["Permission is missing", "Autorisation manquante", "Falta el permiso", "Falta a permissão"],
    ["The node is out of reach", "Le nœud est hors de portée", "El nodo está fuera de alcance", "O nó está fora de alcance"],
    ["The request comes from another site", "La requête vient d’un autre site", "La solicitud viene de otro sitio", "O pedido vem de outro site"],
    ["Not found", "Introuvable", "No encontrado", "Não encontrado"],
    ["Method not allowed", "Méthode non autorisée", "Método no permitido", "Método não permitido"],
    ["The request took too long to arrive", "La requête a mis trop de temps à arriver", "La solicitud tardó demasiado en llegar", "O pedido demorou demasiado a chegar"],
    ["Conflict", "Conflit", "Conflicto", "Conflito"],
    ["The first request is still under way", "La première requête est encore en cours", "La primera solicitud aún está en curso", "O primeiro pedido ainda está em curso"],
    ["The body is too large", "Le corps est trop volumineux", "El cuerpo es demasiado grande", "O corpo é demasiado grande"],
    ["The path is too long", "Le chemin est trop long", "La ruta es demasiado larga", "O caminho é demasiado longo"],
    ["Unsupported media type", "Type de média non pris en charge", "Tipo de contenido no admitido", "Tipo de conteúdo não suportado"],
    ["The idempotency key is taken", "La clé d’idempotence est déjà prise", "La clave de idempotencia ya está usada", "A chave de idempotência já está usada"],
    ["Too many requests", "Trop de requêtes", "Demasiadas solicitudes", "Demasiados pedidos"],
    ["The headers are too large", "Les en-têtes sont trop volumineux", "Las cabeceras son demasiado grandes", "Os cabeçalhos são demasiado grandes"],
    ["Internal error", "Erreur interne", "Error interno", "Erro interno"],
    ["Temporarily unavailable", "Temporairement indisponible", "No disponible temporalmente", "Temporariamente indisponível"],
    // At the top of every page of a playground.
    // Sentences of refusals.
    ["Payment not found", "Paiement introuvable", "Pago no encontrado", "Pagamento não encontrado"],
    ["Path not found", "Chemin introuvable", "Ruta no encontrada", "Caminho não encontrado"],
    ["The permission {} is missing", "L’autorisation {} manque", "Falta el permiso {}", "Falta a permissão {}"],
    ["Insufficient permission to access payment's node", "Autorisation insuffisante pour le nœud du paiement", "Permiso insuficiente para el nodo del pago", "Permissão insuficiente para o nó do pagamento"],
    ["A payment with this clientId exists already", "Un paiement avec ce clientId existe déjà", "Ya existe un pago con este clientId", "Já existe um pagamento com este clientId"],
    ["The payment is {} and cannot be canceled", "Le paiement est {} et ne peut pas être annulé", "El pago está {} y no se puede cancelar", "O pagamento está {} e não pode ser cancelado"],
    ["The payment is {} and cannot be submitted", "Le paiement est {} et ne peut pas être soumis", "El pago está {} y no se puede enviar", "O pagamento está {} e não pode ser submetido"],
    ["No gateway was chosen", "Aucun moyen de paiement n’a été choisi", "No se eligió ningún medio de pago", "Não foi escolhido nenhum meio de pagamento"],
    ["This gateway is not offered here", "Ce moyen de paiement n’est pas proposé ici", "Este medio de pago no se ofrece aquí", "Este meio de pagamento não é oferecido aqui"],
    ["The gateway has declined: {}", "Le moyen de paiement a refusé : {}", "El medio de pago rechazó: {}", "O meio de pagamento recusou: {}"],
    ["The signature is missing or wrong", "La signature manque ou est fausse", "La firma falta o es incorrecta", "A assinatura falta ou está errada"],
    ["Invalid client id or secret", "Identifiant ou secret du client non valide", "Identificador o secreto del cliente no válido", "Identificador ou segredo do cliente inválido"],
    ["The key was used for another request in the last 24 hours", "La clé a servi à une autre requête ces dernières 24 heures", "La clave se usó para otra solicitud en las últimas 24 horas", "A chave foi usada para outro pedido nas últimas 24 horas"],
    ["The body must be application/json", "Le corps doit être de type application/json", "El cuerpo debe ser application/json", "O corpo deve ser application/json"],
    ["The body must be application/x-www-form-urlencoded", "Le corps doit être de type application/x-www-form-urlencoded", "El cuerpo debe ser application/x-www-form-urlencoded", "O corpo deve ser application/x-www-form-urlencoded"],
    ["The body has more than {} bytes", "Le corps dépasse {} octets", "El cuerpo tiene más de {} bytes", "O corpo tem mais de {} bytes"],
    ["The body cannot be read", "Le corps ne peut pas être lu", "El cuerpo no se puede leer", "O corpo não pode ser lido"],
    ["The body must be sent as it is, without a Content-Encoding", "Le corps doit être envoyé tel quel, sans Content-Encoding", "El cuerpo debe enviarse tal cual, sin Content-Encoding", "O corpo deve ser enviado tal como é, sem Content-Encoding"],
    ["The body {}", "Le corps {}", "El cuerpo {}", "O corpo {}"],
    // What is wrong with a value, behind its name.
    ["is not JSON: {}", "n’est pas du JSON : {}", "no es JSON: {}", "não é JSON: {}"],
    ["is not JSON", "n’est pas du JSON", "no es JSON", "não é JSON"],
    ["is given more than once", "est donné plus d’une fois", "se da más de una vez", "é dado mais de uma vez"],
    ["has a field twice in one object", "a deux fois le même champ dans un objet", "tiene dos veces el mismo campo en un objeto", "tem duas vezes o mesmo campo num objeto"],
    ["has a value that cannot be read", "a une valeur illisible", "tiene un valor que no se puede leer", "tem um valor que não pode ser lido"],
    ["cannot be read", "est illisible", "no se puede leer", "não pode ser lido"],
    ["must be one of the documented words", "doit être l’un des mots documentés", "debe ser una de las palabras documentadas", "deve ser uma das palavras documentadas"],
    ["is required", "est obligatoire", "es obligatorio", "é obrigatório"],
    ["is required and must not be null", "est obligatoire et ne doit pas être nul", "es obligatorio y no debe ser nulo", "é obrigatório e não pode ser nulo"],
    ["is required in embedded mode", "est obligatoire en mode intégré", "es obligatorio en modo integrado", "é obrigatório no modo incorporado"],
    ["must be an object", "doit être un objet", "debe ser un objeto", "deve ser um objeto"],
    ["must be an array", "doit être un tableau", "debe ser una lista", "deve ser uma lista"],
    ["must be an integer", "doit être un entier", "debe ser un entero", "deve ser um inteiro"],
    ["must be a number", "doit être un nombre", "debe ser un número", "deve ser um número"],
    ["must be true or false", "doit être vrai ou faux", "debe ser verdadero o falso", "deve ser verdadeiro ou falso"],
    ["must be a string", "doit être un texte", "debe ser un texto", "deve ser um texto"],
    ["must not contain the character U+0000", "ne doit pas contenir le caractère U+0000", "no debe contener el carácter U+0000", "não pode conter o carácter U+0000"],
    ["must be one of {}", "doit être l’un de {}", "debe ser uno de {}", "deve ser um de {}"],
    ["must not be empty", "ne doit pas être vide", "no debe estar vacío", "não pode estar vazio"],
    ["must not be blank", "ne doit pas être blanc", "no debe estar en blanco", "não pode estar em branco"],
    ["must have at least {} characters", "doit avoir au moins {} caractères", "debe tener al menos {} caracteres", "deve ter pelo menos {} caracteres"],
    ["must have at most {} characters", "doit avoir au plus {} caractères", "debe tener como máximo {} caracteres", "deve ter no máximo {} caracteres"],
    ["must have at most {} items", "doit avoir au plus {} éléments", "debe tener como máximo {} elementos", "deve ter no máximo {} elementos"],
    ["must have at least {} items", "doit avoir au moins {} éléments", "debe tener al menos {} elementos", "deve ter pelo menos {} elementos"],
    ["must be a UUID", "doit être un UUID", "debe ser un UUID", "deve ser um UUID"],
    ["must be an e-mail address", "doit être une adresse e-mail", "debe ser una dirección de correo", "deve ser um endereço de e-mail"],
    ["must be an http or https URL", "doit être une URL http ou https", "debe ser una URL http o https", "deve ser um URL http ou https"],
    ["must be at least {}", "doit être au moins {}", "debe ser al menos {}", "deve ser pelo menos {}"],
    ["must be greater than {}", "doit être supérieur à {}", "debe ser mayor que {}", "deve ser maior que {}"],
    ["must be at most {}", "doit être au plus {}", "debe ser como máximo {}", "deve ser no máximo {}"],
    ["must be an integer from {} to {}", "doit être un entier de {} à {}", "debe ser un entero de {} a {}", "deve ser um inteiro de {} a {}"],
    ["must be 1 to 255 visible ASCII characters", "doit avoir de 1 à 255 caractères ASCII visibles", "debe tener de 1 a 255 caracteres ASCII visibles", "deve ter de 1 a 255 caracteres ASCII visíveis"],
    ["must be sent once, in visible ASCII characters", "doit être envoyé une fois, en caractères ASCII visibles", "debe enviarse una vez, en caracteres ASCII visibles", "deve ser enviado uma vez, em caracteres ASCII visíveis"],
    ["must not be sent beside HTTP Basic", "ne doit pas être envoyé en plus de HTTP Basic", "no debe enviarse junto con HTTP Basic", "não pode ser enviado com HTTP Basic"],
    ["must be the one of HTTP Basic, or be left out", "doit être celui de HTTP Basic, ou être omis", "debe ser el de HTTP Basic u omitirse", "deve ser o de HTTP Basic, ou ser omitido"],
    ["must hold a client id and its secret, joined by a colon, in Base64", "doit contenir un identifiant client et son secret, séparés par deux-points, en Base64", "debe contener un identificador de cliente y su secreto, separados por dos puntos, en Base64", "deve conter um identificador de cliente e o seu segredo, separados por dois pontos, em Base64"],
    ["must be client_credentials", "doit être client_credentials", "debe ser client_credentials", "deve ser client_credentials"],
    ["must be a phone number such as +2693210000", "doit être un numéro de téléphone comme +2693210000", "debe ser un número de teléfono como +2693210000", "deve ser um número de telefone como +2693210000"],
    ["must be a locale such as fr-KM", "doit être une locale comme fr-KM", "debe ser una configuración regional como fr-KM", "deve ser uma localidade como fr-KM"],
    ["must be a country of ISO 3166-1, two capital letters", "doit être un pays d’ISO 3166-1, deux majuscules", "debe ser un país de ISO 3166-1, dos mayúsculas", "deve ser um país da ISO 3166-1, duas maiúsculas"],
    ["is not a currency of ISO 4217 that can be paid here", "n’est pas une devise d’ISO 4217 payable ici", "no es una moneda de ISO 4217 que se pueda pagar aquí", "não é uma moeda da ISO 4217 que se possa pagar aqui"],
    ["must be the currency of the total", "doit être la devise du total", "debe ser la moneda del total", "deve ser a moeda do total"],
    ["must be an amount as text, such as 1500 or 12.50", "doit être un montant en texte, comme 1500 ou 12.50", "debe ser un importe como texto, por ejemplo 1500 o 12.50", "deve ser um montante em texto, como 1500 ou 12.50"],
    ["must be a number above zero in digits, such as 2", "doit être un nombre supérieur à zéro en chiffres, comme 2", "debe ser un número mayor que cero en cifras, por ejemplo 2", "deve ser um número maior que zero em algarismos, como 2"],
    ["must be an integer: the currency has no fraction", "doit être un entier : la devise n’a pas de décimales", "debe ser un entero: la moneda no tiene decimales", "deve ser um inteiro: a moeda não tem decimais"],
    ["must be greater than zero", "doit être supérieur à zéro", "debe ser mayor que cero", "deve ser maior que zero"],
    ["has more than {} fraction digits, which is all the currency has", "a plus de {} décimales, que la devise n’a pas", "tiene más de {} decimales, que son los de la moneda", "tem mais de {} casas decimais, que são as da moeda"],
    ["is too large", "est trop grand", "es demasiado grande", "é demasiado grande"],
    // States.
    ["init", "en préparation", "en preparación", "em preparação"],
    ["pending", "en attente", "pendiente", "pendente"],
    ["submitted", "soumis", "enviado", "submetido"],
    ["approved", "approuvé", "aprobado", "aprovado"],
    ["captured", "encaissé", "cobrado", "cobrado"],
    ["completed", "terminé", "completado", "concluído"],
    ["canceled", "annulé", "cancelado", "cancelado"],
    ["failed", "échoué", "fallido", "falhado"],
    // The pages.
    ["Pay {}", "Payer {}", "Pagar a {}", "Pagar a {}"],
    ["To pay", "À payer", "A pagar", "A pagar"],
    ["Your order", "Votre commande", "Su pedido", "A sua encomenda"],
    ["Reference", "Référence", "Referencia", "Referência"],
    ["How would you like to pay?", "Comment souhaitez-vous payer ?", "¿Cómo desea pagar?", "Como deseja pagar?"],
    ["Card, through Stripe", "Carte, par Stripe", "Tarjeta, con Stripe", "Cartão, por Stripe"],
    ["PayPal account", "Compte PayPal", "Cuenta PayPal", "Conta PayPal"],
    ["Mobile money", "Mobile money", "Dinero móvil", "Dinheiro móvel"],
    ["Phone number, for mobile money", "Numéro de téléphone, pour le mobile money", "Número de teléfono, para dinero móvil", "Número de telefone, para dinheiro móvel"],
    ["With country code, such as +2693210000", "Avec l’indicatif du pays, comme +2693210000", "Con el prefijo del país, por ejemplo +2693210000", "Com o indicativo do país, como +2693210000"],
    ["Continue", "Continuer", "Continuar", "Continuar"],
    ["Cancel and return to the shop", "Annuler et revenir à la boutique", "Cancelar y volver a la tienda", "Cancelar e voltar à loja"],
    ["Cancel payment", "Annuler le paiement", "Cancelar el pago", "Cancelar o pagamento"],
    ["Return to the shop", "Revenir à la boutique", "Volver a la tienda", "Voltar à loja"],
    ["No way to pay is offered at the moment. Please contact the shop.", "Aucun moyen de paiement n’est proposé pour le moment. Contactez la boutique.", "Por ahora no se ofrece ningún medio de pago. Contacte con la tienda.", "De momento não é oferecido nenhum meio de pagamento. Contacte a loja."],
    ["Waiting for your payment", "En attente de votre paiement", "Esperando su pago", "À espera do seu pagamento"],
    ["We are waiting for {} to confirm. This page goes on by itself.", "Nous attendons la confirmation de {}. Cette page continue d’elle-même.", "Esperamos la confirmación de {}. Esta página continúa sola.", "Aguardamos a confirmação de {}. Esta página continua sozinha."],
    ["If you are asked on your phone, please confirm there.", "Si votre téléphone vous le demande, confirmez-y le paiement.", "Si su teléfono se lo pide, confirme el pago allí.", "Se o seu telefone o pedir, confirme aí o pagamento."],
    ["Open the payment page of {}", "Ouvrir la page de paiement de {}", "Abrir la página de pago de {}", "Abrir a página de pagamento de {}"],
    ["Look again", "Actualiser", "Actualizar", "Atualizar"],
    ["Thank you", "Merci", "Gracias", "Obrigado"],
    ["Your payment has arrived. You may close this page.", "Votre paiement est arrivé. Vous pouvez fermer cette page.", "Su pago ha llegado. Puede cerrar esta página.", "O seu pagamento chegou. Pode fechar esta página."],
    ["Payment canceled", "Paiement annulé", "Pago cancelado", "Pagamento cancelado"],
    ["Nothing was charged. You may close this page.", "Rien n’a été débité. Vous pouvez fermer cette page.", "No se ha cobrado nada. Puede cerrar esta página.", "Nada foi cobrado. Pode fechar esta página."],
    ["Payment failed", "Le paiement a échoué", "El pago ha fallado", "O pagamento falhou"],
    ["The payment was declined, and nothing was charged. Please return to the shop to try again.", "Le paiement a été refusé et rien n’a été débité. Revenez à la boutique pour réessayer.", "El pago fue rechazado y no se ha cobrado nada. Vuelva a la tienda para intentarlo de nuevo.", "O pagamento foi recusado e nada foi cobrado. Volte à loja para tentar de novo."],
    ["Something went wrong", "Un problème est survenu", "Algo ha ido mal", "Algo correu mal"],
    ["Please enter your phone number for this way to pay.", "Saisissez votre numéro de téléphone pour ce moyen de paiement.", "Indique su número de teléfono para este medio de pago.", "Indique o seu número de telefone para este meio de pagamento."],
    ["Paid to {}", "Payé à {}", "Pagado a {}", "Pago a {}"],
];

/// The sentence in this language. One with a value in it is recognised by its row's pattern, and the value is
/// translated as well where it is a text of ours.
pub(super) fn translate(sentence: &str, language: Language) -> String {
    let place = match language {
        Language::English => return sentence.to_owned(),
        Language::French => 1,
        Language::Spanish => 2,
        Language::Portuguese => 3,
    };
    let exact = TEXTS.iter().find(|row| row[0] == sentence);
    if let Some(row) = exact {
        return row[place].to_owned();
    }
    let mut matching = TEXTS.iter().filter_map(|row| filled_in(row[0], sentence).map(|values| (row, values)));
    match matching.next() {
        Some((row, values)) => values.iter().fold(row[place].to_owned(), |text, value| {
            // Braces of a value must not be taken for the next place.
            let value = translate(value, language).replace("{}", "{\u{200b}}");
            text.replacen("{}", &value, 1)
        }),
        None => sentence.to_owned(),
    }
}

/// What stands in the places of a pattern, if the sentence is one of it.
fn filled_in<'a>(pattern: &str, sentence: &'a str) -> Option<Vec<&'a str>> {
    let (first, others) = pattern.split_once("{}")?;
    let (mut rest, mut values) = (sentence.strip_prefix(first)?, Vec::new());
    let mut parts = others.split("{}").peekable();
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_some() { rest.find(part)? } else { rest.len().checked_sub(part.len())? };
        if !rest.get(end..)?.starts_with(part) {
            return None;
        }
        values.push(rest.get(..end)?);
        rest = &rest[end + part.len()..];
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    #[test]
    fn every_row_fills_in_the_same_and_is_there_once() {
        for (index, row) in TEXTS.iter().enumerate() {
            let places = row.map(|text| text.matches("{}").count());
            assert!(places.iter().all(|count| *count == places[0]), "{row:?}");
            assert!(row.iter().all(|text| !text.is_empty()), "{row:?}");
            assert!(TEXTS[..index].iter().all(|earlier| earlier[0] != row[0]), "{}", row[0]);
        }
    }

    #[test]
    fn every_kind_of_problem_has_its_title() {
        let elsewhere = [Code::NotEligible, Code::ExternalIdTaken];
        for code in Code::ALL.iter().filter(|code| !elsewhere.contains(code)) {
            assert!(TEXTS.iter().any(|row| row[0] == code.title()), "{}", code.title());
        }
    }

    #[test]
    fn sentences_with_values_are_recognised() {
        let french = |sentence| translate(sentence, Language::French);
        assert_eq!(
            french("The payment is canceled and cannot be canceled"),
            "Le paiement est annulé et ne peut pas être annulé"
        );
        assert_eq!(french("must be an integer from 1 to 100"), "doit être un entier de 1 à 100");
        assert_eq!(french("The body is required"), "Le corps est obligatoire");
        assert_eq!(french("must be one of {}, {}"), "doit être l’un de {\u{200b}}, {\u{200b}}");
        assert_eq!(french("nothing of ours"), "nothing of ours");
        assert_eq!(translate("is required", Language::English), "is required");
    }
}
