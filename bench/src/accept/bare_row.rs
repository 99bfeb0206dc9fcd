//! The rows of one payment, as the product writes them: the bare parts write the same, one payment a transaction.
//!
//! They carry metadata, by which they are told from the product's, and their messages never come due.

use uuid::Uuid;

use crate::merchant::{Merchant, PAYEE};

/// What the rows refer to.
pub(super) struct BareRow {
    node_id: Uuid,
    chain_id: Uuid,
    network_id: Uuid,
    wallet_id: Uuid,
    currency_id: Uuid,
}

/// How a dialect writes what differs.
struct Dialect<'a> {
    id: &'a str,
    uuid: fn(Uuid) -> String,
    json: &'a str,
    now: &'a str,
    later: &'a str,
}

impl BareRow {
    pub(super) fn of(merchant: &Merchant) -> anyhow::Result<Self> {
        Ok(Self {
            node_id: merchant.id("node_id")?,
            chain_id: merchant.id("chain_id")?,
            network_id: merchant.id("network_id")?,
            wallet_id: merchant.id("wallet_id")?,
            currency_id: merchant.id("currency_id")?,
        })
    }

    /// One transaction for pgbench. Its ids rise with time, as version 7 does, so that indexes fill at their end.
    pub(super) fn pgbench_script(&self) -> String {
        let id = "(lpad(to_hex((extract(epoch FROM now()) * 1000000)::bigint), 16, '0') \
                  || lpad(to_hex(:r::bigint), 16, '0'))::uuid";
        let dialect = Dialect {
            id,
            uuid: |id| format!("'{id}'"),
            json: "::jsonb",
            now: "now()",
            later: "now() + interval '1 year'",
        };
        let inserts = self.inserts(&dialect).map(|insert| format!("{insert};\n")).concat();
        format!("\\set r random(1, 9000000000000000)\nBEGIN;\n{inserts}COMMIT;\n")
    }

    /// The same for SQLite, whose ids are bytes; `?1` is the id and `?2` the time as text.
    pub(super) fn sqlite_inserts(&self) -> [String; 3] {
        let uuid = |id: Uuid| format!("x'{}'", id.simple());
        self.inserts(&Dialect { id: "?1", uuid, json: "", now: "?2", later: "'2099-01-01T00:00:00+00:00'" })
    }

    fn inserts(&self, dialect: &Dialect<'_>) -> [String; 3] {
        let Dialect { id, uuid, json, now, later } = dialect;
        let (node, chain, network) = (uuid(self.node_id), uuid(self.chain_id), uuid(self.network_id));
        let (wallet, currency) = (uuid(self.wallet_id), uuid(self.currency_id));
        let text_id = if json.is_empty() { format!("hex({id})") } else { format!("({id})::text") };
        let trace = format!(r#"'{{"node_id":"{0}","payment_id":"{0}","request_id":"{0}"}}'"#, self.node_id);
        let data = format!(r#"'{{"external_id":"{0}","request_id":"{0}","to":"pending"}}'{json}"#, self.node_id);
        let payload = format!(r#"'{{"payment_id":"{}"}}'"#, self.node_id);
        [
            format!(
                "INSERT INTO payments (id, node_id, external_id, chain_id, network_id, wallet_id, currency_id, price, \
                 paid_price, payment_method, payment_group, payment_address, items, metadata, expires_at, retry, retry_count, \
                 resends, status, sequence, created_at, updated_at) VALUES ({id}, {node}, {text_id}, {chain}, {network}, \
                 {wallet}, {currency}, '1.25', '1.25', 'web3', 'product', '{PAYEE}', '[]'{json}, 'bare', {later}, true, 8, 0, \
                 'pending', 1, {now}, {now})"
            ),
            format!(
                "INSERT INTO payment_logs (id, payment_id, sequence, event_type, message, actor_type, actor_id, data, \
                 created_at) VALUES ({id}, {id}, 1, 'payment.created', 'The payment was accepted', 'integration', \
                 '{}', {data}, {now})",
                self.node_id
            ),
            format!(
                "INSERT INTO outbox (id, message_id, queue, kind, payload, headers, due_at, attempts, claims, created_at) \
                 VALUES ({id}, {id}, 'open_deal.v1', 'open_deal', {payload}, {trace}, {later}, 100, 0, {now})"
            ),
        ]
    }
}
