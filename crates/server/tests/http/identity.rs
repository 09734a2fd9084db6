//! API keys, and that nobody sees what belongs to others.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::{Method, StatusCode};
use longshore_runtime::{ApiKey, NewKey, Scope};
use longshore_server::{ApiConfig, Identity};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::house::{House, Plan};
use crate::openapi::{document, operations};
use crate::stream::Stream;

/// What everybody may ask.
const OPEN: [&str; 8] = [
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/api/v1/health",
    "/api/v1/health/live",
    "/api/v1/health/ready",
    "/api/v1/metrics",
];

async fn house(worker: bool) -> House {
    let identity = Identity { is_on: true, ..Identity::default() };
    House::build(Plan { config: ApiConfig { identity, ..ApiConfig::default() }, worker, ..Plan::default() })
        .await
}

/// A client with a key.
struct Caller {
    client: Client,
    header: String,
    key: ApiKey,
}

impl Caller {
    async fn new(house: &House, owner: &str, scopes: &[Scope]) -> Self {
        let new = NewKey { owner: owner.to_owned(), scopes: scopes.to_vec(), expires_in: None };
        let (key, text) = house.engine.keys().create(&new).await.unwrap();
        Self { client: house.client, header: format!("Bearer {text}"), key }
    }

    async fn user(house: &House, owner: &str) -> Self {
        Self::new(house, owner, &[Scope::Read, Scope::Submit]).await
    }

    async fn ask(&self, method: Method, path: &str, body: impl ToString) -> Reply {
        self.client.send(method, path, &[("authorization", &self.header)], body.to_string()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, "").await
    }

    async fn submit(&self, job: &Value) -> Reply {
        self.ask(Method::POST, "/api/v1/jobs", job).await
    }

    /// Submits a job that waits for an hour; its id.
    async fn later(&self) -> String {
        let reply = self.submit(&json!({ "kind": "test.echo", "delay": "1h" })).await;
        reply.json(StatusCode::ACCEPTED)["id"].as_str().unwrap().to_owned()
    }

    async fn listed(&self, query: &str) -> Vec<String> {
        let list = self.get(&format!("/api/v1/jobs{query}")).await.json(StatusCode::OK);
        list["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    }
}

fn filled(path: &str, id: &str) -> String {
    let names = [
        ("{queue}", "q"),
        ("{schedule}", "s"),
        ("{kind}", "k"),
        ("{key}", "u"),
        ("{api_key}", "0"),
        ("{worker}", "w"),
    ];
    let path = path.replace("{id}", id);
    names.iter().fold(path, |path, (name, value)| path.replace(name, value))
}

#[tokio::test]
async fn without_a_key_nothing_is_told_but_how_the_process_is() {
    let house = house(false).await;
    let wrong = [
        None,
        Some("Bearer"),
        Some("Bearer lsk_0000000000000000_00"),
        Some("Bearer lsk_../../schedule_00"),
        Some("Basic YW5uOmFubg=="),
    ];
    for (path, method, _) in operations(&document()) {
        for header in wrong {
            let headers: Vec<(&str, &str)> = header.map(|text| ("authorization", text)).into_iter().collect();
            let reply = house.client.send(method.clone(), &filled(&path, "1x"), &headers, "{}").await;
            if OPEN.contains(&path.as_str()) {
                assert_eq!(reply.status, StatusCode::OK, "{method} {path}");
            } else {
                let status = reply.status;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} with {header:?}");
                assert_eq!(reply.header("www-authenticate"), "Bearer");
            }
        }
    }
    assert_eq!(house.jobs().await, 0);
    let reply = house.client.get("/api/v1/jobs").await;
    assert!(reply.refused(401, "unauthorized").message.contains("Authorization: Bearer KEY"));
}

#[tokio::test]
async fn a_key_allows_what_its_scopes_say() {
    let house = house(false).await;
    let mut allowed: Vec<BTreeSet<String>> = Vec::new();
    for scopes in [&[Scope::Read][..], &[Scope::Submit], &[Scope::Admin]] {
        let caller = Caller::new(&house, "ann", scopes).await;
        let mut open = BTreeSet::new();
        for (path, method, _) in operations(&document()) {
            let headers = [("authorization", caller.header.as_str())];
            let response = house.client.open(method.clone(), &filled(&path, "1x"), &headers, "").await;
            if response.status() == StatusCode::FORBIDDEN {
                let refusal = Reply::read(response).await;
                if method != Method::HEAD {
                    refusal.refused(403, "missing_scope");
                }
            } else if !OPEN.contains(&path.as_str()) {
                assert_ne!(response.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
                open.insert(format!("{method} {}", path.trim_start_matches("/api/v1")));
            }
        }
        allowed.push(open);
    }
    let set = |routes: &[&str]| routes.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let reads = [
        "GET /cron/next",
        "GET /cron/stats",
        "GET /jobs",
        "GET /jobs/{id}",
        "GET /jobs/{id}/events",
        "GET /jobs/{id}/result",
        "GET /jobs/{id}/why",
        "HEAD /jobs/{id}/result",
        "POST /cron/next",
        "POST /cron/validate",
    ];
    let submits = [
        "DELETE /jobs/{id}",
        "POST /cron/batch",
        "POST /jobs",
        "POST /jobs/{id}/cancel",
        "POST /jobs/{id}/retry",
        "POST /pdf",
    ];
    assert_eq!(allowed[0], set(&reads));
    assert_eq!(allowed[1], set(&submits));
    let all = operations(&document()).len() - OPEN.len();
    assert_eq!(allowed[2].len(), all, "admin may do everything");
}

#[tokio::test]
async fn what_belongs_to_others_is_unknown() {
    let house = house(false).await;
    let (ann, bob) = (Caller::user(&house, "ann").await, Caller::user(&house, "bob").await);
    let operator = Caller::new(&house, "ops", &[Scope::Admin]).await;
    let (hers, his) = (ann.later().await, bob.later().await);
    let nobodys = house.engine.client().new_id().to_string();
    let anonymous = |reply: &Reply, id: &str| {
        let text = reply.text().replace(id, "ID").replace(reply.header("x-correlation-id"), "C");
        (reply.status, text)
    };
    for (path, method, _) in operations(&document()).into_iter().filter(|(path, ..)| path.contains("{id}")) {
        let foreign = bob.ask(method.clone(), &filled(&path, &hers), "").await;
        let unknown = bob.ask(method.clone(), &filled(&path, &nobodys), "").await;
        assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(anonymous(&foreign, &hers), anonymous(&unknown, &nobodys), "{method} {path}");
    }
    assert_eq!(bob.listed("").await, [his.as_str()]);
    assert_eq!(bob.listed("?q=owner:ann").await, [""; 0]);
    assert_eq!(ann.listed("").await, [hers.as_str()]);
    assert_eq!(operator.listed("?q=owner:ann").await, [hers.as_str()]);
    let record = ann.get(&format!("/api/v1/jobs/{hers}")).await.json(StatusCode::OK);
    assert_eq!((&record["owner"], &record["state"]), (&json!("ann"), &json!("scheduled")));
    // The operator sees and changes everything.
    let cancelled = operator.ask(Method::POST, &format!("/api/v1/jobs/{hers}/cancel"), "").await;
    assert_eq!(cancelled.json(StatusCode::OK)["state"], "cancelled");
}

#[tokio::test]
async fn ids_keys_and_parents_of_others_help_nobody() {
    let house = house(false).await;
    let (ann, bob) = (Caller::user(&house, "ann").await, Caller::user(&house, "bob").await);
    let named = |id: &str| json!({ "kind": "test.echo", "id": id, "args": 1, "delay": "1h" });
    ann.submit(&named("report")).await.json(StatusCode::ACCEPTED);
    let batch = json!([named("another"), named("report")]);
    let refusal = bob.submit(&batch).await.refused(409, "id_taken");
    assert!(!refusal.message.contains("ann"), "{}", refusal.message);
    assert_eq!(bob.listed("").await, [""; 0], "nothing of a refused batch is stored");
    assert_eq!(ann.submit(&named("report")).await.json(StatusCode::ACCEPTED)["duplicate"], true);

    let child = json!({ "kind": "test.echo", "depends_on": ["report"] });
    let unknown = json!({ "kind": "test.echo", "depends_on": ["nothing"] });
    let foreign = bob.submit(&child).await.refused(400, "unknown_parent").message;
    let unknown = bob.submit(&unknown).await.refused(400, "unknown_parent").message;
    assert_eq!(foreign, unknown.replace("nothing", "report"));

    let unique = json!({ "kind": "test.echo", "unique": "daily", "delay": "1h" });
    let first = ann.submit(&unique).await.json(StatusCode::ACCEPTED);
    let again = ann.submit(&unique).await.json(StatusCode::ACCEPTED);
    assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
    let his = bob.submit(&unique).await.json(StatusCode::ACCEPTED);
    assert!(his["id"] != first["id"] && his["duplicate"].is_null(), "{his}");

    // Nor to a job that is nobody's.
    let mut nobodys = longshore_core::JobSpec::new(
        house.engine.client().new_id(),
        "default".parse().unwrap(),
        "test.echo".parse().unwrap(),
        longshore_core::Json::default(),
    );
    let taken = longshore_core::Unique { replace: true, ..longshore_core::Unique::new("@ann/daily") };
    std::sync::Arc::make_mut(&mut nobodys.options).unique = Some(taken);
    let error = house.engine.client().insert(vec![std::sync::Arc::new(nobodys)]).await.unwrap_err();
    assert!(error.to_string().contains("unique.key"), "{error}");
    let long = json!({ "kind": "test.echo", "unique": "x".repeat(200), "delay": "1h" });
    ann.submit(&long).await.json(StatusCode::ACCEPTED);
    let longer = json!({ "kind": "test.echo", "unique": "x".repeat(201), "delay": "1h" });
    ann.submit(&longer).await.refused(400, "invalid");

    let once = async |caller: &Caller| {
        let headers = [("authorization", caller.header.as_str()), ("idempotency-key", "k")];
        let body = r#"{"kind":"test.echo","delay":"1h"}"#;
        let reply = house.client.send(Method::POST, "/api/v1/jobs", &headers, body).await;
        reply.json(StatusCode::ACCEPTED)["id"].clone()
    };
    let hers = once(&ann).await;
    assert_eq!(once(&ann).await, hers);
    assert_ne!(once(&bob).await, hers);
}

#[tokio::test]
async fn only_an_operator_gives_a_job_to_somebody_else() {
    let house = house(true).await;
    let (ann, operator) =
        (Caller::user(&house, "ann").await, Caller::new(&house, "ops", &[Scope::Admin]).await);
    let owned = |owner: &str| json!({ "kind": "test.echo", "args": 7, "owner": owner });
    ann.submit(&owned("bob")).await.refused(403, "missing_scope");
    ann.submit(&owned("a/b")).await.refused(400, "invalid");
    ann.submit(&owned("ann")).await.json(StatusCode::ACCEPTED);
    let id = operator.submit(&owned("ann")).await.json(StatusCode::ACCEPTED)["id"].clone();
    let id = id.as_str().unwrap();
    let record = ann.get(&format!("/api/v1/jobs/{id}?wait=40")).await.json(StatusCode::OK);
    assert_eq!((&record["owner"], &record["result"]), (&json!("ann"), &json!(7)));
    assert_eq!(ann.get(&format!("/api/v1/jobs/{id}/result")).await.text(), "7");
    let path = format!("/api/v1/jobs/{id}/events");
    let mut stream = Stream::with(house.client, &path, &[("authorization", &ann.header)]).await;
    assert_eq!(stream.any().await.unwrap().event, "snapshot");
    let own = operator.submit(&json!({ "kind": "test.echo" })).await.json(StatusCode::ACCEPTED)["id"].clone();
    let own = operator.get(&format!("/api/v1/jobs/{}", own.as_str().unwrap())).await;
    assert_eq!(own.json(StatusCode::OK)["owner"], "ops");
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked_over_http() {
    let house = house(false).await;
    let operator = Caller::new(&house, "ops", &[Scope::Admin]).await;
    let ask = json!({ "owner": "ann", "scopes": ["read", "submit", "read"], "expires_in": "90d" });
    let made = operator.ask(Method::POST, "/api/v1/keys", &ask).await.json(StatusCode::CREATED);
    assert_eq!(made["scopes"], json!(["read", "submit"]));
    let text = made["key"].as_str().unwrap();
    let listed = operator.get("/api/v1/keys").await;
    let keys = listed.json(StatusCode::OK)["keys"].as_array().unwrap().clone();
    let mut kept = made.clone();
    kept.as_object_mut().unwrap().remove("key");
    assert!(keys.contains(&kept) && keys.len() == 2, "{keys:?}");
    let secret = text.rsplit('_').next().unwrap();
    assert!(secret.len() == 64 && !listed.text().contains(secret));
    for doc in house.store.doc_list("", None, 1_000, house.ahead(Duration::ZERO)).await.unwrap() {
        assert!(!String::from_utf8_lossy(&doc.value).contains(secret), "{}", doc.key);
    }
    let ann = Caller { client: house.client, header: format!("bearer {text}"), key: operator.key.clone() };
    assert_eq!(ann.listed("").await, [""; 0]);
    let path = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(operator.ask(Method::DELETE, &path, "").await.status, StatusCode::NO_CONTENT);
    ann.get("/api/v1/jobs").await.refused(401, "unauthorized");
    operator.ask(Method::DELETE, &path, "").await.refused(404, "not_found");
    for (body, field) in [
        (json!({ "owner": "", "scopes": ["read"] }), "owner"),
        (json!({ "owner": "ann", "scopes": [] }), "scopes"),
        (json!({ "owner": "ann", "scopes": ["write"] }), "scopes[0]"),
        (json!({ "owner": "ann", "scopes": ["read"], "expires_in": 0 }), "expires_in"),
        (json!({ "owner": "ann" }), "scopes"),
    ] {
        let reply = operator.ask(Method::POST, "/api/v1/keys", &body).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(reply.json(StatusCode::BAD_REQUEST)["error"]["details"]["field"], field);
    }
    assert_eq!(operator.get("/api/v1/keys").await.json(StatusCode::OK)["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn metrics_want_a_key_from_where_nobody_permitted_them() {
    let identity = Identity { is_on: true, metrics_networks: vec!["10.0.0.0/8".parse().unwrap()] };
    let config = ApiConfig { identity, ..ApiConfig::default() };
    let house = House::build(Plan { config, worker: false, ..Plan::default() }).await;
    house.client.get("/metrics").await.refused(401, "unauthorized");
    assert_eq!(house.client.get("/health").await.status, StatusCode::OK);
    let caller = Caller::new(&house, "prometheus", &[Scope::Submit]).await;
    assert_eq!(caller.get("/metrics").await.status, StatusCode::OK);
}
