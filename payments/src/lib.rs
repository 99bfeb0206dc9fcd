//! The one state machine: every write that changes a payment; never knows HTTP, AMQP or JSON-RPC.
