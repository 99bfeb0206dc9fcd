//! Sea-orm entities, id newtypes and statuses: the shape of the tables; knows nothing of queues, HTTP or chains.
