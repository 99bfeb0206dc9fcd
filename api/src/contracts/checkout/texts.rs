//! What shops and payers read, in four languages: the one table of it, beside what is wrong with values. `{}` stands for
//! what is filled in.

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
        assert_eq!(french("The body has more than 100 bytes"), "Le corps dépasse 100 octets");
        assert_eq!(french("Pay {}, {}"), "Payer {\u{200b}}, {\u{200b}}");
        assert_eq!(french("nothing of ours"), "nothing of ours");
        assert_eq!(translate("Not found", Language::English), "Not found");
    }
}
