//! Somebody uploads files and signs in, while a process of ours dies.

use chrono::TimeDelta;
use entities::{now, upload};
use sea_orm::{EntityTrait, prelude::*};
use serde_json::{Value, json};

use super::{drive::Outside, seller::count};
use crate::merchant::http;

/// Longer than files are kept that no receipt names.
const LONG: TimeDelta = TimeDelta::days(2);

impl Outside {
    /// Uploads a file and returns its path, if there was an answer.
    pub(super) async fn upload(&self) -> Option<String> {
        let head = b"--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x.png\"\r\n\r\n\x89PNG\r\n\x1a\n";
        let form = [head.as_slice(), &[0; 5_000], b"\r\n--x--\r\n"].concat();
        let request = http().post(format!("{}/api/upload", self.merchant.base_url)).body(form);
        let answer = request.header("content-type", "multipart/form-data; boundary=x").send().await.ok()?;
        let (status, answer) = (answer.status().as_u16(), answer.json::<Value>().await.ok()?);
        assert!([200, 503].contains(&status), "{status} {answer}");
        let (_, name) = answer["url"].as_str()?.rsplit_once('/')?;
        Some(format!("/uploads/{name}"))
    }

    /// The same until there is an answer, whose file has to be there.
    pub(super) async fn upload_and_find(&self) -> bool {
        let Some(path) = self.upload().await else { return false };
        let found = http().get(format!("{}{path}", self.merchant.base_url)).send().await.unwrap();
        assert_eq!(found.status(), 200, "{path} was promised");
        true
    }

    /// Files whose time is over.
    pub(super) async fn leave_files(&self) {
        for _ in 0..2 {
            assert!(self.upload_and_find().await);
        }
        self.let_files_grow_old().await;
    }

    pub(super) async fn let_files_grow_old(&self) {
        let tx = self.db.begin().await.unwrap();
        let old = upload::Entity::update_many().col_expr(upload::Column::CreatedAt, Expr::value(now() - LONG));
        old.exec(&*tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Whether no row is left of any upload.
    pub(super) async fn files_are_gone(&self) -> bool {
        upload::Entity::find().count(&*self.db).await.unwrap() == 0
    }

    /// Signs in at the till. `true`: it was answered.
    pub(super) async fn sign_in(&self) -> bool {
        let person = json!({ "name": self.admin["name"], "pin": self.admin["pin"] });
        let request = http().post(format!("{}/auth/login", self.merchant.base_url)).json(&person);
        let Ok(answer) = request.send().await else { return false };
        let status = answer.status().as_u16();
        assert!([200, 503].contains(&status), "the right PIN is answered {status}");
        status == 200
    }

    /// What is not with files and sign-ins as it was promised, when all files' time is over.
    pub(super) async fn wrong_with_strangers(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let files = std::fs::read_dir(&self.files).into_iter().flatten().count();
        if files > 0 {
            wrong.push(format!("{files} files are there that no row knows of"));
        }
        for (what, rows) in [
            ("uploads", "SELECT COUNT(*) AS rows FROM uploads"),
            ("allowances that count files", "SELECT COUNT(*) AS rows FROM upload_allowances WHERE bytes <> 0"),
            (
                "counts of wrong sign-ins, where all were right",
                "SELECT COUNT(*) AS rows FROM sign_in_counts WHERE failures <> 0 OR blocked_until IS NOT NULL",
            ),
        ] {
            let rows = count(&self.db, rows).await;
            if rows > 0 {
                wrong.push(format!("{rows} {what} are left"));
            }
        }
        wrong
    }
}
