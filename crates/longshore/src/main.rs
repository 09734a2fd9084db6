//! x
mod command;
#[tokio::main]
async fn main() {
    let url = std::env::args().nth(1).unwrap();
    let subject = command::lab::subject(&url).unwrap();
    let plan = longshore_lab::queue::Plan { jobs: std::env::args().nth(2).map(|s| s.parse().unwrap()).unwrap_or(200_000), rounds: std::env::args().nth(3).map(|s| s.parse().unwrap()).unwrap_or(3), ..Default::default() };
    let report = longshore_lab::queue::run(&*subject, &plan, &mut |t| eprintln!("{t}")).await.unwrap();
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
}
