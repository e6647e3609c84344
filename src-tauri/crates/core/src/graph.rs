//! Who depends on whom.

use std::collections::{BTreeMap, BTreeSet};

/// Finds a cycle in `depends_on` and returns it with its first member repeated at the end (`a, b, a`).
pub fn find_cycle<K: Ord + Clone>(depends_on: &BTreeMap<K, Vec<K>>) -> Option<Vec<K>> {
    let mut done = BTreeSet::new();
    for start in depends_on.keys() {
        let mut path = Vec::new();
        if let Some(cycle) = walk(start, depends_on, &mut path, &mut done) {
            return Some(cycle);
        }
    }
    None
}

/// Depth first with an own stack, so that a long chain in a file can't overflow the thread's.
fn walk<K: Ord + Clone>(
    start: &K,
    depends_on: &BTreeMap<K, Vec<K>>,
    path: &mut Vec<(K, usize)>,
    done: &mut BTreeSet<K>,
) -> Option<Vec<K>> {
    path.push((start.clone(), 0));
    // Where each node of the path stands in it: a search through a long path for each edge takes too long.
    let mut on_path = BTreeMap::from([(start.clone(), 0)]);
    while let Some((node, next)) = path.last_mut() {
        let target = depends_on.get(node).and_then(|targets| targets.get(*next)).cloned();
        *next += 1;
        match target {
            None => {
                if let Some((node, _)) = path.pop() {
                    on_path.remove(&node);
                    done.insert(node);
                }
            }
            Some(target) if done.contains(&target) => {}
            Some(target) => {
                if let Some(&at) = on_path.get(&target) {
                    let mut cycle: Vec<K> = path[at..].iter().map(|(node, _)| node.clone()).collect();
                    cycle.push(target);
                    return Some(cycle);
                }
                on_path.insert(target.clone(), path.len());
                path.push((target, 0));
            }
        }
    }
    None
}

/// `ids` and all that they depend on, each once. Unknown ones are left out.
pub fn closure<K: Ord + Clone>(
    ids: impl IntoIterator<Item = K>,
    depends_on: impl Fn(&K) -> Option<Vec<K>>,
) -> BTreeSet<K> {
    let mut found = BTreeSet::new();
    let mut open: Vec<K> = ids.into_iter().collect();
    while let Some(id) = open.pop() {
        if found.contains(&id) {
            continue;
        }
        if let Some(targets) = depends_on(&id) {
            open.extend(targets);
            found.insert(id);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&'static str, &[&'static str])]) -> BTreeMap<&'static str, Vec<&'static str>> {
        edges.iter().map(|(from, to)| (*from, to.to_vec())).collect()
    }

    #[test]
    fn cycles_are_found_and_named() {
        assert_eq!(find_cycle(&graph(&[("a", &["b"]), ("b", &["c"]), ("c", &[])])), None);
        assert_eq!(
            find_cycle(&graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])),
            None
        );
        assert_eq!(find_cycle(&graph(&[("a", &["a"])])), Some(vec!["a", "a"]));
        assert_eq!(
            find_cycle(&graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])])),
            Some(vec!["b", "c", "b"])
        );
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_is_walked() {
        let chain: BTreeMap<u32, Vec<u32>> = (0..100_000).map(|n| (n, vec![n + 1])).collect();
        assert_eq!(find_cycle(&chain), None);
    }

    #[test]
    fn the_closure_has_each_once_and_leaves_out_the_unknown() {
        let edges = graph(&[
            ("api", &["db", "cache", "gone"]),
            ("db", &[]),
            ("cache", &["db"]),
            ("web", &["api"]),
        ]);
        let found = closure(["api"], |id| edges.get(id).cloned());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["api", "cache", "db"]);
    }
}
