//! The payment page.

use fixtures::{TestDatabase, on_both};
use sha3::{Digest, Keccak256};

use crate::app::{TestApp, send};

on_both!(is_whole_and_fetches_nothing_from_elsewhere, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let page = send(app.client.get(format!("/pay/{}", uuid::Uuid::now_v7()))).await.expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let mut files = vec![page.text.clone()];
    for (path, media_type) in [
        ("pay.css", "text/css; charset=utf-8"),
        ("pay.js", "text/javascript; charset=utf-8"),
        ("wallet.js", "text/javascript; charset=utf-8"),
        ("text.js", "text/javascript; charset=utf-8"),
    ] {
        let file = send(app.client.get(format!("/pay/assets/{path}"))).await.expect(200);
        assert_eq!(file.header("content-type"), media_type, "{path}");
        assert!(files.iter().any(|file| file.contains(path)), "{path} is not used");
        files.push(file.text);
    }
    for file in files {
        for foreign in ["http://", "https://", "src=\"//", "url(//", "@import"] {
            assert!(!file.contains(foreign), "{foreign} in {file}");
        }
    }
    assert!(!page.text.contains("<script>") && !page.text.contains(" style=") && !page.text.contains("onclick"));
    send(app.client.get("/pay/x")).await.problem(400, "validation_failed");
});

/// The page encodes the calls of a token by hand (what opens a deal comes from the server); their selectors are right.
#[test]
fn its_selectors_are_those_of_the_functions() {
    let script = include_str!("../../src/assets/wallet.js");
    for signature in ["approve(address,uint256)", "allowance(address,address)", "balanceOf(address)"] {
        let name = signature.split('(').next().unwrap();
        let selector = hex::encode(&Keccak256::digest(signature)[..4]);
        assert!(script.contains(&format!("{name}: \"0x{selector}\"")), "{signature} is 0x{selector}");
    }
}

on_both!(the_docs_page_needs_no_other_host, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let page = send(app.client.get("/docs")).await.expect(200);
    assert!(!page.text.contains("http://") && !page.text.contains("https://"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    for (path, media_type) in [
        ("/docs/swagger-ui.js", "text/javascript; charset=utf-8"),
        ("/docs/swagger-ui.css", "text/css; charset=utf-8"),
        ("/docs/start.js", "text/javascript; charset=utf-8"),
    ] {
        let file = send(app.client.get(path)).await.expect(200);
        assert!(page.text.contains(path) && file.text.len() > 100, "{path}");
        assert_eq!(file.header("content-type"), media_type);
    }
});
