//! This file is where the paths of one type's parameters are laid into one tree, so that a resource is walked once.

use super::path::{Filter, Leaf, Source, Step};
use fhir::json::Value;

/// The paths of a type. Node 0 is the resource.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// Sorted by key.
    edges: Vec<Edge>,
    /// What is read here: the parameter's place in its type, and how.
    leaves: Vec<(usize, Leaf)>,
    /// The composite parameters whose element this is, and which of their groups.
    composites: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Edge {
    step: Step,
    node: usize,
}

/// What is found on a walk.
pub(super) trait Visitor<'d> {
    /// An element of a parameter.
    fn element(&mut self, param: usize, leaf: Leaf, value: Value<'d>);
    /// The element that a group of a composite parameter is about.
    fn composite(&mut self, param: usize, group: usize, value: Value<'d>);
}

impl Tree {
    pub(super) fn add(&mut self, param: usize, source: &Source) {
        let node = self.node(&source.steps);
        if let Some(node) = self.nodes.get_mut(node) {
            node.leaves.push((param, source.leaf));
        }
    }

    pub(super) fn add_composite(&mut self, param: usize, group: usize, steps: &[Step]) {
        let node = self.node(steps);
        if let Some(node) = self.nodes.get_mut(node) {
            node.composites.push((param, group));
        }
    }

    /// The node at the end of these steps, made if need be.
    fn node(&mut self, steps: &[Step]) -> usize {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        for step in steps {
            let fresh = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return 0 };
            let known = node.edges.iter().find(|edge| edge.step == *step).map(|edge| edge.node);
            at = known.unwrap_or_else(|| {
                let place = node.edges.partition_point(|edge| edge.step.key < step.key);
                node.edges.insert(place, Edge { step: *step, node: fresh });
                fresh
            });
            if known.is_none() {
                self.nodes.push(Node::default());
            }
        }
        at
    }

    pub(super) fn walk<'d>(&self, resource: Value<'d>, visitor: &mut impl Visitor<'d>) {
        self.visit(0, resource, visitor);
    }

    /// As deep as the longest path of the table, whatever the resource is.
    fn visit<'d>(&self, at: usize, value: Value<'d>, visitor: &mut impl Visitor<'d>) {
        let Some(node) = self.nodes.get(at) else { return };
        for (param, leaf) in &node.leaves {
            visitor.element(*param, *leaf, value);
        }
        for (param, group) in &node.composites {
            visitor.composite(*param, *group, value);
        }
        if node.edges.is_empty() {
            return;
        }
        for (key, below) in value.members() {
            let Some(key) = key.text() else { continue };
            let from = node.edges.partition_point(|edge| edge.step.key < &*key);
            for edge in node.edges.iter().skip(from).take_while(|edge| edge.step.key == &*key) {
                chosen(below, edge.step.filter, |item| self.visit(edge.node, item, visitor));
            }
        }
    }
}

/// Calls `found` for what lies at the end of a path.
pub(super) fn follow<'d>(value: Value<'d>, steps: &[Step], found: &mut impl FnMut(Value<'d>)) {
    let Some((step, rest)) = steps.split_first() else { return found(value) };
    if let Some(below) = value.get(step.key) {
        chosen(below, step.filter, |item| follow(item, rest, found));
    }
}

fn chosen<'d>(value: Value<'d>, filter: Filter, mut found: impl FnMut(Value<'d>)) {
    match filter {
        Filter::All => value.each().for_each(found),
        Filter::Item(at) => {
            if let Some(item) = value.each().nth(at) {
                found(item);
            }
        }
        Filter::Where(key, wanted) => {
            for item in value.each() {
                if item.get(key).is_some_and(|value| value.is(wanted)) {
                    found(item);
                }
            }
        }
    }
}
