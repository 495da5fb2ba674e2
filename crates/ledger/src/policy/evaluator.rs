//! This file is where policies are asked: on one thread whose stack is large and always the same, because Cedar's
//! recursion checks look at the stack that is left, and an answer must not depend on who asks from how deep.

use super::{
    PolicyError, Request, Verdict,
    check::{Admitted, admit},
};
use cedar_policy::{Authorizer, Decision, Entities, Schema};
use primitives::{Hash, invariant};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        LazyLock, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{Sender, channel},
    },
    thread,
};

const SCHEMA: &str = include_str!("../../policies/horkos.cedarschema");

/// Stack of the thread. What is admitted needs a small part of it, as a test below shows.
const STACK_BYTES: usize = 64 << 20;

/// Most policy sets kept parsed: the one in force, and those of other networks or heights in the same process.
const CACHED_MAX: usize = 8;

/// Most verdicts remembered, a few hundred bytes each; then all are forgotten.
const REMEMBERED_MAX: usize = 4096;

type Job = Box<dyn FnOnce(&mut Evaluator) + Send>;

/// Checks policy text: small, flat, valid against the schema, every policy named, and nothing in it that could err.
///
/// # Errors
/// [`PolicyError`].
pub fn check(text: &str) -> Result<(), PolicyError> {
    let text = text.to_owned();
    on_evaluator(move |evaluator| match &evaluator.schema {
        // A parser that panics on some text must not take the node with it: the text is refused, on every node alike.
        Ok(schema) => catch_unwind(AssertUnwindSafe(|| admit(&text, schema).map(drop)))
            .unwrap_or_else(|_| Err(PolicyError::Syntax("the parser gave up".to_owned()))),
        Err(error) => Err(PolicyError::Schema(error.clone())),
    })
}

/// Asks the policies with this text and hash, which [`check`] has passed; a verdict for each request.
///
/// A verdict is a pure function of policies and request, so each is asked once and then remembered for a while.
///
/// # Panics
/// If policies that were admitted err: a fault, never a decision.
#[must_use]
pub fn evaluate(text: &str, hash: &Hash, requests: Vec<Request>) -> Vec<Verdict> {
    let known: Vec<Option<Verdict>> = {
        let remembered = remembered();
        let verdicts = remembered.verdicts.get(hash);
        requests.iter().map(|request| verdicts.and_then(|verdicts| verdicts.get(request)).cloned()).collect()
    };
    let unknown = requests.iter().zip(&known).filter(|(_, verdict)| verdict.is_none());
    let unknown: Vec<Request> = unknown.map(|(request, _)| request.clone()).collect();
    if unknown.is_empty() {
        return known.into_iter().flatten().collect();
    }
    let fresh = evaluate_afresh(text, hash, unknown.clone());
    remembered().keep(hash, unknown.into_iter().zip(fresh.clone()));
    let mut fresh = fresh.into_iter();
    known.into_iter().filter_map(|verdict| verdict.or_else(|| fresh.next())).collect()
}

fn evaluate_afresh(text: &str, hash: &Hash, requests: Vec<Request>) -> Vec<Verdict> {
    let (text, hash) = (text.to_owned(), *hash);
    let verdicts = on_evaluator(move |evaluator| {
        let admitted = evaluator.admitted(&text, hash)?;
        requests.iter().map(|request| admitted.decide(request)).collect::<Result<Vec<_>, String>>()
    });
    invariant!(verdicts.is_ok(), "the base policies err: {:?}", verdicts.err());
    verdicts.unwrap_or_default()
}

/// Verdicts given lately, by policies and request.
#[derive(Default)]
struct Remembered {
    verdicts: BTreeMap<Hash, BTreeMap<Request, Verdict>>,
    count: usize,
}

impl Remembered {
    fn keep(&mut self, hash: &Hash, verdicts: impl Iterator<Item = (Request, Verdict)>) {
        if self.count >= REMEMBERED_MAX {
            *self = Self::default();
        }
        let of_policies = self.verdicts.entry(*hash).or_default();
        for (request, verdict) in verdicts {
            of_policies.insert(request, verdict);
            self.count = self.count.saturating_add(1);
        }
    }
}

fn remembered() -> MutexGuard<'static, Remembered> {
    static REMEMBERED: LazyLock<Mutex<Remembered>> = LazyLock::new(Mutex::default);
    // Nothing panics while it is held; and what it holds stays true whatever happens.
    REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Evaluator {
    schema: Result<Schema, String>,
    cached: BTreeMap<Hash, Ready>,
}

struct Ready {
    admitted: Admitted,
    schema: Schema,
}

impl Evaluator {
    fn admitted(&mut self, text: &str, hash: Hash) -> Result<&Ready, String> {
        if !self.cached.contains_key(&hash) {
            let schema = self.schema.clone()?;
            let admitted = admit(text, &schema).map_err(|error| error.to_string())?;
            if self.cached.len() >= CACHED_MAX {
                self.cached.clear();
            }
            self.cached.insert(hash, Ready { admitted, schema });
        }
        self.cached.get(&hash).ok_or_else(|| "the policies were dropped".to_owned())
    }
}

impl Ready {
    fn decide(&self, request: &Request) -> Result<Verdict, String> {
        let request = request.to_cedar(&self.schema).map_err(|error| error.to_string())?;
        let response = Authorizer::new().is_authorized(&request, &self.admitted.set, &Entities::empty());
        // Cedar skips a policy that errs, even one that forbids: the decision then means nothing.
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(error.to_string());
        }
        let permit = match response.decision() {
            Decision::Allow => true,
            Decision::Deny => false,
        };
        let mut deciding = Vec::new();
        for id in response.diagnostics().reason() {
            let name = self.admitted.names.get(&id.to_string());
            deciding.push(name.cloned().ok_or_else(|| format!("policy {id} has no name"))?);
        }
        // Cedar keeps them in a hash set.
        deciding.sort();
        Ok(Verdict { permit, deciding })
    }
}

fn on_evaluator<T: Send + 'static>(work: impl FnOnce(&mut Evaluator) -> T + Send + 'static) -> T {
    static JOBS: OnceLock<Sender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (sender, receiver) = channel::<Job>();
        let spawned =
            thread::Builder::new().name("policies".to_owned()).stack_size(STACK_BYTES).spawn(move || {
                let schema = Schema::from_cedarschema_str(SCHEMA)
                    .map(|(schema, _)| schema)
                    .map_err(|error| error.to_string());
                let mut evaluator = Evaluator { schema, cached: BTreeMap::new() };
                for job in receiver {
                    job(&mut evaluator);
                }
            });
        invariant!(spawned.is_ok(), "no thread for policies: {:?}", spawned.err());
        sender
    });
    let (answer, answered) = channel();
    let sent = jobs.send(Box::new(move |evaluator| {
        // Whoever asked may be gone; then nobody misses the answer.
        drop(answer.send(work(evaluator)));
    }));
    let answer = sent.map_err(|_| ()).and_then(|()| answered.recv().map_err(|_| ()));
    invariant!(answer.is_ok(), "the policy thread is gone");
    match answer {
        Ok(answer) => answer,
        Err(()) => std::process::abort(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Action, BASE, Outcome, check::tests::widest};
    use primitives::{domain, hash};

    fn request() -> Request {
        Request {
            action: Action::Read,
            who: "practitioner",
            org: "lakeside-clinic".to_owned(),
            org_kind: "provider",
            role: "physician".to_owned(),
            purposes: vec!["TREAT"],
            writer: "riverside-hospital".to_owned(),
            special: false,
            directory: false,
            claimed: true,
            custodian: false,
            owner: false,
            directive: Outcome::None,
            treating: false,
            break_glass: false,
            step_up: false,
            overrides_deny: false,
        }
    }

    fn ask(text: &str, request: Request) -> String {
        let hash = hash(domain::POLICY, &[text.as_bytes()]);
        let verdict = evaluate_afresh(text, &hash, vec![request.clone()]).pop().unwrap();
        for _ in 0..2 {
            assert_eq!(evaluate(text, &hash, vec![request.clone()]), vec![verdict.clone()]);
        }
        let names: Vec<_> = verdict.deciding.iter().map(ToString::to_string).collect();
        format!("{} {}", if verdict.permit { "permit" } else { "deny" }, names.join(" ")).trim().to_owned()
    }

    /// Sets facts by the names that policies use, asks the base policies, and compares.
    fn check(facts: &str, expected: &str) {
        let mut request = request();
        for fact in facts.split_whitespace() {
            let (name, value) = fact.split_once('=').unwrap_or((fact, "true"));
            let truth = value == "true";
            match name {
                "write" => (request.action, request.purposes) = (Action::Write, Vec::new()),
                "who" => {
                    request.who =
                        ["organisation", "person", "device"].into_iter().find(|who| *who == value).unwrap()
                }
                "role" => request.role = value.to_owned(),
                "purpose" => {
                    let purpose: crate::consent::Purpose = value.parse().unwrap();
                    request.purposes = purpose.ancestry().map(|each| each.code()).collect();
                }
                "own" => request.writer = request.org.clone(),
                "special" => request.special = truth,
                "directory" => (request.directory, request.claimed) = (truth, false),
                "claimed" => request.claimed = truth,
                "custodian" => request.custodian = truth,
                "owner" => (request.owner, request.who, request.org) = (truth, "person", String::new()),
                "permit" => request.directive = Outcome::Permit,
                "deny" => request.directive = Outcome::Deny,
                "treating" => request.treating = truth,
                "glass" => (request.break_glass, request.purposes) = (truth, vec!["BTG", "ETREAT", "TREAT"]),
                "step-up" => request.step_up = truth,
                "overrides" => request.overrides_deny = truth,
                other => panic!("no fact `{other}`"),
            }
        }
        assert_eq!(ask(BASE, request), expected, "{facts}");
    }

    #[test]
    fn base_policies() {
        let cases = "
            purpose=TREAT                                     | deny
            purpose=TREAT own                                 | permit own-writing
            purpose=ETREAT own                                | permit own-writing
            purpose=COVERAGE own                              | permit own-writing
            purpose=CAREMGT own                               | permit own-writing
            purpose=HRESCH own                                | deny
            purpose=HMARKT own                                | deny
            purpose=TREAT own deny                            | deny directive-denies
            purpose=TREAT own permit                          | permit directive-permits own-writing
            purpose=TREAT permit                              | permit directive-permits
            purpose=HRESCH permit                             | permit directive-permits
            purpose=TREAT deny                                | deny directive-denies
            purpose=TREAT own special                         | permit own-writing
            who=organisation purpose=HOPERAT own              | permit own-writing-system
            who=organisation purpose=TREAT own                | deny treatment-by-somebody
            who=organisation purpose=TREAT permit             | deny treatment-by-somebody
            who=organisation purpose=HPAYMT permit            | permit directive-permits
            who=device purpose=TREAT                          | deny
            who=person purpose=PATRQT                         | deny
            owner purpose=PATRQT                              | permit owner-reads
            owner purpose=FAMRQT                              | permit owner-reads
            owner purpose=TREAT                               | deny
            directory purpose=HDIRECT                         | permit directory
            directory who=organisation purpose=TREAT          | permit directory
            directory who=person purpose=PATRQT               | deny
            claimed=false purpose=TREAT own                   | permit own-writing
            claimed=false purpose=HPAYMT own                  | deny unclaimed-for-treatment
            claimed=false who=organisation purpose=HOPERAT own | permit own-writing-system
            claimed=false who=organisation purpose=HPAYMT own | deny unclaimed-for-treatment
            claimed=false who=organisation purpose=HOPERAT    | deny unclaimed-for-treatment
            claimed=false who=organisation purpose=HOPERAT permit | deny unclaimed-for-treatment
            claimed=false purpose=HOPERAT own                 | deny unclaimed-for-treatment
            glass                                             | deny
            glass step-up                                     | permit break-glass
            glass step-up role=clerk                          | deny
            glass step-up claimed=false                       | permit break-glass
            glass step-up deny                                | deny directive-denies
            glass step-up deny overrides                      | permit break-glass
            glass deny overrides                              | deny directive-denies
            glass step-up deny overrides own                  | permit break-glass own-writing
            glass deny overrides own                          | deny directive-denies
            glass step-up role=clerk deny overrides own       | deny directive-denies
            step-up purpose=BTG                               | deny
            deny overrides purpose=TREAT own                  | deny directive-denies
            write                                             | deny
            write custodian                                   | permit custodian-writes
            write custodian claimed=false                     | permit custodian-writes
            write treating                                    | permit treatment-writes
            write permit                                      | permit directive-permits
            write custodian treating deny                     | deny directive-denies
            write own                                         | deny
            write directory                                   | deny";
        for case in cases.lines().filter(|line| !line.trim().is_empty()) {
            let (facts, expected) = case.split_once('|').unwrap();
            check(facts.trim(), expected.trim());
        }
    }

    #[test]
    fn deciding_policies_come_sorted_and_alike() {
        let names = ["m", "b", "z", "a", "k", "c"];
        let text: String = names
            .iter()
            .map(|name| format!("@id(\"{name}\") permit (principal, action, resource);"))
            .collect();
        for _ in 0..20 {
            assert_eq!(ask(&text, request()), "permit a b c k m z");
        }
    }

    #[test]
    fn verdicts_come_in_the_order_of_requests() {
        let hash = hash(domain::POLICY, &[b"order"]);
        let of = |i: usize, permit: bool| {
            let directive = if permit { Outcome::Permit } else { Outcome::None };
            Request { writer: format!("org-{i}"), directive, ..request() }
        };
        // Some known, some not, more in all than are remembered.
        for round in 0..3 {
            let requests: Vec<_> = (0..REMEMBERED_MAX).map(|i| of(i * (round + 1), i % 3 == 0)).collect();
            let verdicts = evaluate(BASE, &hash, requests.clone());
            assert!(
                requests.iter().zip(&verdicts).all(|(r, v)| v.permit == (r.directive == Outcome::Permit))
            );
        }
    }

    #[test]
    fn no_policies_deny() {
        assert_eq!(ask("", request()), "deny");
    }

    #[test]
    fn the_stack_is_ample_for_the_widest_trees() {
        // The same work on an eighth of the stack still does: the bounds, not the stack, are what limits.
        let worker = thread::Builder::new().stack_size(STACK_BYTES / 8).spawn(|| {
            let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
            for text in widest() {
                let admitted = admit(&text, &schema).unwrap();
                let ready = Ready { admitted, schema: schema.clone() };
                ready.decide(&request()).unwrap();
            }
        });
        worker.unwrap().join().unwrap();
    }

    #[test]
    fn an_error_is_a_fault_and_never_a_decision() {
        // Not admissible, and therefore never in force; here it stands for a bug in the check.
        let text = "@id(\"a\") permit (principal, action, resource); @id(\"b\") forbid (principal, action, resource) \
                    when { 9223372036854775807 + 1 == 0 };";
        let result = std::panic::catch_unwind(|| ask(text, request()));
        assert!(result.is_err());
        assert_eq!(ask(BASE, request()), "deny", "the thread lives on");
        // And past the check: Cedar itself would permit, having skipped the policy that forbids.
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
        let set: cedar_policy::PolicySet = text.parse().unwrap();
        let cedar = request().to_cedar(&schema).unwrap();
        let response = Authorizer::new().is_authorized(&cedar, &set, &Entities::empty());
        assert_eq!(response.decision(), Decision::Allow);
        let ready = Ready { admitted: Admitted { set, names: BTreeMap::new() }, schema };
        assert!(ready.decide(&request()).is_err());
    }

    #[test]
    fn many_threads_and_networks_share_the_evaluator() {
        let texts: Vec<String> = (0..CACHED_MAX + 3)
            .map(|i| format!("@id(\"p{i}\") permit (principal, action, resource);"))
            .collect();
        thread::scope(|scope| {
            for (i, text) in texts.iter().enumerate() {
                scope.spawn(move || {
                    for _ in 0..20 {
                        assert_eq!(ask(text, request()), format!("permit p{i}"));
                    }
                });
            }
        });
    }
}
