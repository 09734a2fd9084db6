//! Every rule of the house, as a test of its own.

use std::fmt::Write;

use xtask::tidy::{House, RULES};

macro_rules! rules {
    ($($rule:ident),+ $(,)?) => {
        $(
            #[test]
            fn $rule() {
                obey(stringify!($rule));
            }
        )+

        #[test]
        fn every_rule_has_its_test() {
            let names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
            assert_eq!(names, [$(stringify!($rule)),+]);
        }
    };
}

rules![arrows, purity, manifests, sizes, leftovers, rooms, glossary, diagram, links, machine, blanks,];

fn obey(name: &str) {
    let rule = RULES.iter().find(|rule| rule.name == name).expect("the rule is in the list");
    let complaints = (rule.check)(&House::open(xtask::root()).expect("the repository can be read"));
    let list = complaints.iter().fold(String::new(), |mut list, complaint| {
        let _ = write!(list, "\n  {complaint}");
        list
    });
    assert!(complaints.is_empty(), "{name} is broken; `cargo xtask tidy` shows every rule{list}");
}
