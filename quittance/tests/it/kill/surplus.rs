//! A card payment at the sandbox whose order was paid by a transfer, too, goes back while a process of ours dies.

use std::time::{Duration, Instant};

use entities::{PaymentStatus, gateway_session, now, sandbox_object};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QueryFilter, prelude::*};
use serde_json::{Value, json};

use super::{audit, drive::Outside};

/// How long a gateway's word may take.
const PATIENCE: Duration = Duration::from_secs(60);

impl Outside {
    /// The external ids of a card payment that is in review, and of the transfer that has paid the order before it.
    pub(super) async fn paid_twice(&self, name: &str) -> Vec<String> {
        let (card, transfer) = (format!("{name}-card"), format!("{name}-transfer"));
        let mut body = self.merchant.body(&transfer);
        body["payment_method"] = json!("bank_transfer");
        let order = self.merchant.create(&body).await["order_id"].clone();
        let mut body = self.merchant.body(&card);
        (body["payment_method"], body["order_id"]) = (json!("credit_card"), order.clone());
        let opened = self.merchant.create(&body).await;
        self.want(std::slice::from_ref(&transfer), PaymentStatus::Paid);
        self.want(std::slice::from_ref(&card), PaymentStatus::NeedsReview);
        let submit = format!("/v1/payments/{}/submit", opened["id"].as_str().unwrap());
        self.asked(&submit, &json!({ "source": "STR" })).await;
        let receipt = json!({ "orderId": order, "method": "PAGO_MOVIL", "amountReported": 0.01, "reference": name });
        self.asked("/api/payments", &receipt).await;
        self.pay_unheard(&opened["id"]).await;
        let verdict = json!({ "orderId": order, "status": "CONFIRMED" });
        let (status, answer) = self.merchant.put("/api/payments", &verdict).await;
        assert_eq!(status, 200, "{answer}");
        let (until, ids) = (Instant::now() + PATIENCE, vec![card, transfer]);
        while audit::by_external_id(&self.db, &ids[..1]).await[0].status != PaymentStatus::NeedsReview {
            assert!(Instant::now() < until, "the second money is not noticed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ids
    }

    async fn asked(&self, path: &str, body: &Value) {
        let (status, answer) = self.merchant.try_post(path, body, None).await.unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
    }

    /// The payer pays, and the gateway's word of it gets lost.
    async fn pay_unheard(&self, payment_id: &Value) {
        let payment_id: Uuid = payment_id.as_str().unwrap().parse().unwrap();
        let sessions = gateway_session::Entity::find().filter(gateway_session::Column::PaymentId.eq(payment_id));
        let session = sessions.one(&*self.db).await.unwrap().unwrap();
        let at_sandbox = sandbox_object::Entity::find().filter(sandbox_object::Column::Reference.eq(session.id.0));
        let known = at_sandbox.one(&*self.db).await.unwrap().unwrap();
        let mut body = known.body.clone();
        (body["state"], body["captured"]) = (json!("captured"), body["amount"].clone());
        let mut row = known.into_active_model();
        (row.body, row.updated_at) = (Set(body), Set(now()));
        let tx = self.db.begin().await.unwrap();
        row.update(&*tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Decides that the card payment goes back. `true`: it was answered.
    pub(super) async fn give_back(&self, external_id: &str) -> bool {
        let ids = [external_id.to_owned()];
        self.want(&ids, PaymentStatus::Refunded);
        let id = audit::by_external_id(&self.db, &ids).await[0].id;
        let path = format!("/api/v1/operations/payments/{id}/resolve");
        match self.merchant.try_post(&path, &json!({ "as": "canceling", "reason": "paid twice" }), None).await {
            Ok((200, _)) => true,
            Ok((503, _)) | Err(_) => false,
            Ok((status, answer)) => panic!("{path}: {status} {answer}"),
        }
    }
}
