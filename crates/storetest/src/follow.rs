//! Jobs that follow from an end, and the turn that ends and claims in one.

use longshore_core::{Change, End, Ended, Ends, Job, Outcome, Refusal, State};

use crate::desk::{Desk, only};
use crate::draft::{START, at, claim_of, done, end_then, fail, id, job, specs};
use crate::stage::{BROUGHT, Stage};

pub(crate) async fn following_jobs_are_inserted_with_the_end(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let then = specs([
        job("a").queue("next").priority(2.0),
        job("b").queue("next").run_at(at(9_000)),
        job("c").queue("last"),
    ]);
    desk.finish(vec![end_then(token, fail(), then.clone())], at(2_000)).await.unwrap();
    for spec in then {
        let name = spec.id.to_string();
        assert_eq!(desk.job(&name).await, Job::new(spec, at(2_000)));
    }
    assert_eq!(desk.claim_ids("next", 9, at(2_000)).await, ["a"]);
}

pub(crate) async fn a_following_job_whose_id_exists_is_skipped(desk: &Desk) {
    desk.insert([job("here").args("1").queue("next"), job("there").args("1").queue("elsewhere")], START)
        .await;
    let token = desk.bring(Stage::Running).await;
    let then = ["here", "there", "Running", "new", "new"].map(|name| job(name).queue("next").args("2"));
    let answer = desk.finish(vec![end_then(token, done(), specs(then))], at(2_000)).await.unwrap();
    assert_eq!(answer, [Ended::Moved(State::Completed)]);
    assert_eq!(desk.job("here").await.spec.args.as_str(), "1");
    assert_eq!(desk.job("there").await.spec.queue.as_str(), "elsewhere");
    assert_eq!(desk.job("Running").await.spec.queue.as_str(), "Running");
    assert_eq!(desk.count("next", State::Ready).await, 2);
}

pub(crate) async fn a_refused_end_drops_its_following_jobs(desk: &Desk) {
    let lost = desk.bring(Stage::ReadyByReclaim).await;
    let gone = desk.bring(Stage::Running).await;
    desk.amend("Running", Change::Remove { force: true }, at(BROUGHT)).await;
    let before = desk.whole().await;
    let ends = vec![
        end_then(lost, done(), specs([job("a").queue("next")])),
        end_then(gone, done(), specs([job("b").queue("next")])),
    ];
    let answer = desk.finish(ends, at(2_000)).await.unwrap();
    assert_eq!(answer, [Ended::Refused(Refusal::LeaseLost), Ended::Refused(Refusal::Gone)]);
    assert_eq!(desk.whole().await, before);
}

pub(crate) async fn a_repeated_end_inserts_its_following_jobs_only_once(desk: &Desk) {
    let token = desk.bring(Stage::Running).await;
    let ends = Ends::new(vec![end_then(token, done(), specs([job("a"), job("b")]))]);
    desk.store.finish(ends.clone(), at(2_000)).await.unwrap();
    // A following job may have come and gone before the end is repeated.
    desk.amend("a", Change::Remove { force: false }, at(2_500)).await;
    let before = desk.whole().await;
    assert_eq!(desk.store.finish(ends, at(3_000)).await.unwrap(), [Ended::Repeated(State::Completed)]);
    assert_eq!(desk.whole().await, before);
}

pub(crate) async fn a_following_job_that_breaks_a_limit_refuses_all_ends(desk: &Desk) {
    desk.insert(["x", "y"].map(job), START).await;
    let tokens: Vec<_> =
        desk.claim("default", 2, at(1)).await.iter().map(|claimed| claimed.lease.token).collect();
    let before = desk.whole().await;
    let wrong = job("wrong").options(|options| options.max_attempts = 0);
    let ends = vec![
        end_then(tokens[0], done(), specs([job("good").queue("unheard")])),
        end_then(tokens[1], done(), specs([job("better"), wrong])),
    ];
    desk.assert_refused(&before, desk.finish(ends, at(2)).await).await;
}

pub(crate) async fn a_turn_ends_and_then_claims(desk: &Desk) {
    desk.insert(["a", "b"].map(job), START).await;
    let claimed = desk.claim("default", 2, at(1)).await;
    let ends = vec![
        end_then(claimed[0].lease.token, done(), specs([job("child")])),
        End::by_token(claimed[1].lease.token, Outcome::HandBack),
    ];
    let turned = desk.store.turn(Ends::new(ends), claim_of(&[("default", 9)]), at(2)).await.unwrap();
    assert_eq!(turned.ended, [Ended::Moved(State::Completed), Ended::Moved(State::Ready)]);
    let mut given: Vec<String> =
        turned.claims.jobs.iter().map(|claimed| claimed.spec.id.to_string()).collect();
    given.sort();
    assert_eq!(given, ["b", "child"]);
    assert!(turned.claims.jobs.iter().all(|claimed| claimed.attempt == 1));
}

pub(crate) async fn a_turn_may_only_end_or_only_claim(desk: &Desk) {
    desk.insert([job("a")], START).await;
    let turned = desk.store.turn(Ends::default(), claim_of(&[("default", 1)]), at(1)).await.unwrap();
    assert!(turned.ended.is_empty());
    let ends = Ends::new(vec![End::new(only(turned.claims.jobs).lease, done())]);
    let turned = desk.store.turn(ends, claim_of(&[]), at(2)).await.unwrap();
    assert_eq!((turned.ended, turned.claims.jobs.len()), (vec![Ended::Moved(State::Completed)], 0));
    assert_eq!(desk.store.get(id("a")).await.unwrap().unwrap().state, State::Completed);
}

pub(crate) async fn a_repeated_turn_repeats_its_ends(desk: &Desk) {
    desk.insert(["a", "b"].map(job), START).await;
    let claimed = desk.take("default", at(1)).await;
    let ends = Ends::new(vec![End::new(claimed.lease, done())]);
    desk.store.turn(ends.clone(), claim_of(&[("default", 1)]), at(2)).await.unwrap();
    let again = desk.store.turn(ends, claim_of(&[("default", 1)]), at(3)).await.unwrap();
    assert_eq!((again.ended, again.claims.jobs.len()), (vec![Ended::Repeated(State::Completed)], 0));
}
