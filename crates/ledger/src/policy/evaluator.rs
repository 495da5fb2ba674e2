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
        OnceLock,
        mpsc::{Sender, channel},
    },
    thread,
};

const SCHEMA: &str = include_str!("../../policies/horkos.cedarschema");

/// Stack of the thread. What is admitted needs a small part of it, as a test below shows.
const STACK_BYTES: usize = 64 << 20;

/// Most policy sets kept parsed: the one in force, and those of other networks or heights in the same process.
const CACHED_MAX: usize = 8;

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
/// # Panics
/// If policies that were admitted err: a fault, never a decision.
#[must_use]
pub fn evaluate(text: &str, hash: &Hash, requests: Vec<Request>) -> Vec<Verdict> {
    let (text, hash) = (text.to_owned(), *hash);
    let verdicts = on_evaluator(move |evaluator| {
        let admitted = evaluator.admitted(&text, hash)?;
        requests.iter().map(|request| admitted.decide(request)).collect::<Result<Vec<_>, String>>()
    });
    invariant!(verdicts.is_ok(), "the base policies err: {:?}", verdicts.err());
    verdicts.unwrap_or_default()
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
