//! Downloading what a job produced.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::Reply;
use crate::house::{House, Plan};

const DATA: &str = include_str!("../../../../templates/monthly_report/data.json");

async fn with_reports() -> House {
    House::build(Plan { pdf: true, ..Plan::default() }).await
}

/// Renders; the record of the job.
async fn render(house: &House, request: &Value) -> Value {
    let job = house.client.post("/api/v1/pdf", request.to_string()).await.json(StatusCode::ACCEPTED);
    let record = house.client.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(record["state"], "completed", "{record}");
    record
}

fn place(record: &Value) -> String {
    format!("/api/v1/jobs/{}/result", record["id"].as_str().unwrap())
}

fn sha256(bytes: &[u8]) -> String {
    let digits = |text: String, byte: &u8| text + &format!("{byte:02x}");
    Sha256::digest(bytes).iter().fold(String::new(), digits)
}

async fn get(house: &House, path: &str, headers: &[(&str, &str)]) -> Reply {
    house.client.send(Method::GET, path, headers, "").await
}

#[tokio::test]
async fn a_rendered_report_is_downloaded_whole_in_ranges_and_by_version() {
    let house = with_reports().await;
    let context: Value = serde_json::from_str(DATA).unwrap();
    let request =
        json!({ "template_name": "monthly_report", "context_data": context, "filename": "Bericht März" });
    let record = render(&house, &request).await;
    let (path, result) = (place(&record), &record["result"]);
    assert_eq!(result["pages"], 3);

    let whole = get(&house, &path, &[]).await;
    assert_eq!(whole.status, StatusCode::OK);
    assert!(whole.body.starts_with(b"%PDF-"));
    assert_eq!(sha256(&whole.body), result["sha256"]);
    assert_eq!(json!(whole.body.len()), result["size"]);
    let version = format!("\"{}\"", result["sha256"].as_str().unwrap());
    for (name, value) in [
        ("content-type", "application/pdf"),
        ("content-length", &*whole.body.len().to_string()),
        (
            "content-disposition",
            "attachment; filename=\"Bericht_M_rz.pdf\"; filename*=UTF-8''Bericht_M%C3%A4rz.pdf",
        ),
        ("etag", &*version),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, no-store"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }

    let size = whole.body.len();
    for (range, from, to) in [
        ("bytes=0-9".to_owned(), 0, 10),
        ("bytes=-16".to_owned(), size - 16, size),
        (format!("bytes={}-", size - 5), size - 5, size),
        ("bytes=5-99999999999".to_owned(), 5, size),
    ] {
        let part = get(&house, &path, &[("range", &range)]).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(part.body, whole.body[from..to], "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/{size}", to - 1));
        assert_eq!(part.header("content-length"), (to - from).to_string());
    }
    for range in [format!("bytes={size}-"), "bytes=-0".to_owned()] {
        let refusal = get(&house, &path, &[("range", &range)]).await.refused(416, "range_not_satisfiable");
        assert_eq!(refusal.headers["content-range"], format!("bytes */{size}"));
        assert!(refusal.message.contains(&size.to_string()), "{refusal:?}");
    }
    for headers in [
        &[("range", "bytes=0-1,4-5")][..],
        &[("range", "lines=1-2")],
        &[("range", "bytes=9-1")],
        &[("range", "bytes=0-1"), ("if-range", "\"another version\"")],
    ] {
        let all = get(&house, &path, headers).await;
        assert_eq!((all.status, all.body.len()), (StatusCode::OK, size), "{headers:?}");
    }
    let same = get(&house, &path, &[("range", "bytes=0-1"), ("if-range", &version)]).await;
    assert_eq!(same.status, StatusCode::PARTIAL_CONTENT);

    let known = get(&house, &path, &[("if-none-match", &version), ("range", "bytes=0-1")]).await;
    assert_eq!((known.status, known.text(), known.header("etag")), (StatusCode::NOT_MODIFIED, "", &*version));

    let head = house.client.send(Method::HEAD, &path, &[("range", "bytes=0-1")], "").await;
    assert_eq!((head.status, head.text()), (StatusCode::OK, ""));
    for name in ["content-type", "content-length", "etag", "content-disposition", "accept-ranges"] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
}

#[tokio::test]
async fn an_html_report_is_an_attachment_in_a_sandbox() {
    let house = with_reports().await;
    let request = json!({ "html": "<script>alert(1)</script>", "output_format": "html" });
    let reply = get(&house, &place(&render(&house, &request).await), &[]).await;
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert!(reply.header("content-disposition").starts_with("attachment; "));
    assert!(reply.header("content-security-policy").starts_with("sandbox; default-src 'none'"));
}

#[tokio::test]
async fn a_report_under_an_id_with_odd_characters_is_downloaded_too() {
    let house = with_reports().await;
    for (id, path) in [("order 17/ü", "order%2017%2F%C3%BC"), ("%2F", "%252F"), ("..x", "%2E%2Ex")] {
        let args = json!({ "html": "<p>mine</p>", "output_format": "html" });
        house.client.submit(json!({ "kind": "pdf.render", "queue": "pdf", "id": id, "args": args })).await;
        assert_eq!(house.client.ended(path).await["state"], "completed");
        let reply = get(&house, &format!("/api/v1/jobs/{path}/result"), &[]).await;
        assert!(reply.header("content-disposition").starts_with("attachment; "), "{id}: {}", reply.text());
        assert!(reply.text().contains("<p>mine</p>"), "{id}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_job_that_returns_the_path_of_somebody_elses_file_returns_only_words() {
    let house = with_reports().await;
    let request = json!({ "html": "<p>secret</p>", "output_format": "html" });
    let record = render(&house, &request).await;
    let id = house.client.submit(json!({ "kind": "test.echo", "args": record["result"] })).await;
    house.client.ended(&id).await;
    let reply = get(&house, &format!("/api/v1/jobs/{id}/result"), &[]).await;
    assert_eq!(reply.json(StatusCode::OK), record["result"]);
    assert_eq!(reply.header("content-disposition"), "");
    assert!(!reply.text().contains("secret"));
}

#[tokio::test]
async fn no_answer_names_a_folder_of_the_server() {
    let house = with_reports().await;
    let record = render(&house, &json!({ "html": "<p>x</p>", "output_format": "html" })).await;
    let path = record["result"]["path"].as_str().unwrap();
    assert!(path.starts_with("generated_html/"), "{path}");
    assert!(house.files.as_ref().unwrap().delete(path).await.unwrap());
    for method in [Method::GET, Method::HEAD] {
        let lost = house.client.send(method, &place(&record), &[], "").await;
        assert_eq!((lost.status, lost.header("retry-after")), (StatusCode::GONE, ""));
        assert!(!lost.text().contains("generated_html"), "{}", lost.text());
    }
}
