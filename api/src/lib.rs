//! HTTP: one file per resource; decides nothing about payments and never sees a chain.
