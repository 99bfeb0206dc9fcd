//! Twice as many bytes take twice as long to read, whatever they are.

use fixtures::assert_linear;

use super::{key_file, log, revert, rpc_answer};

/// Answers of nodes are read up to 64 MiB; a part of it shows how the time grows.
const ANSWER: usize = 4 << 20;

/// What a contract can give as the reason of a revert, and as the data of a log, within a block's gas.
const DATA: usize = 1 << 20;

/// Key files have some hundred bytes.
const KEY_FILE: usize = 64 << 10;

fn filled(size: usize, start: &str, part: &str, end: &str) -> Vec<u8> {
    let often = size.saturating_sub(start.len() + end.len()) / part.len();
    [start.as_bytes(), part.repeat(often).as_bytes(), end.as_bytes()].concat()
}

#[test]
fn answers_of_nodes() {
    let kinds = [
        ("a result", r#"{"id":0,"result":"0x"#, "00", r#""}"#),
        ("a list", r#"{"id":0,"result":["#, "[],", "[]]}"),
        ("a batch", "[", r#"{"id":1,"result":"0x1"},"#, r#"{"id":2,"result":null}]"#),
        ("errors of a batch", "[", r#"{"id":1,"error":{"code":3,"message":"0x0x0x"}},"#, r#"{"id":2}]"#),
        ("an error", r#"{"id":0,"error":{"code":3,"message":""#, "batch 0x", r#""}}"#),
        ("data", r#"{"id":0,"error":{"code":3,"message":"m","data":""#, "0x", r#""}}"#),
        ("depth", r#"{"id":0,"result":"#, "[", "}"),
        ("digits", r#"{"id":0,"result":1"#, "0", "}"),
    ];
    for (what, start, part, end) in kinds {
        assert_linear(what, ANSWER, |size| filled(size, start, part, end), |bytes| rpc_answer(bytes));
    }
}

#[test]
fn reverts_and_logs() {
    // `Error(string)` whose text is as long as the data, and bytes that are none of it.
    let error = |size: usize| {
        let mut data = vec![0x08, 0xc3, 0x79, 0xa0];
        data.extend([[0; 31].as_slice(), &[0x20], &[0; 28], &u32::try_from(size).unwrap_or(0).to_be_bytes()].concat());
        data.extend(vec![b'a'; size.next_multiple_of(32)]);
        data
    };
    assert_linear("a reason", DATA, error, |bytes| revert(bytes));
    for byte in [0, 0xff] {
        assert_linear("bytes of a revert", DATA, |size| vec![byte; size], |bytes| revert(bytes));
        for event in 0..8 {
            let bytes = |size: usize| [vec![event], vec![byte; size + 96]].concat();
            assert_linear("a log", DATA, bytes, |bytes| log(bytes));
        }
    }
}

#[test]
fn key_files() {
    for (start, part, end) in [(r#"{"crypto":{"ciphertext":""#, "00", r#""}}"#), ("{", r#""a":1,"#, r#""a":1}"#)] {
        assert_linear("a key file", KEY_FILE, |size| filled(size, start, part, end), |bytes| key_file(bytes));
    }
}
