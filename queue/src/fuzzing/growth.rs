//! Twice as many bytes take twice as long to read, whatever they are.

use fixtures::assert_linear;

use super::delivery;

/// Messages of ours have some kilobytes; RabbitMQ hands over up to 16 MiB.
const DELIVERY: usize = 4 << 20;

/// A head with all that messages of ours have.
const HEAD: &str = "message_id 0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a01\ntype open_deal\noutbox_id \
                    0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a02\norigin_queue q\nattempts 1\n";

#[test]
fn deliveries() {
    for (what, head, part) in [
        ("a body", HEAD, "{\"a\":"),
        ("a body that is no text", HEAD, "\u{fffd}\0"),
        ("a body of nobody's", "", "a"),
        ("headers", "", "a b\n"),
        ("a header", "a ", "b"),
    ] {
        let is_head = head.len() < 8;
        let input = |size: usize| {
            let filling = part.repeat(size / part.len());
            if is_head { format!("{head}{filling}\n\n{{}}") } else { format!("{head}\n{filling}") }.into_bytes()
        };
        assert_linear(what, DELIVERY, input, |bytes| delivery(bytes));
    }
}
