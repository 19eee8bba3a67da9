//! Merkle trees over the digests of a batch, with the arithmetic of RFC 9162 (section 2.1), so that tools for it fit.
//!
//! - The hash of a leaf is SHA-256 of the byte 0 and the leaf.
//! - The hash of two trees side by side is SHA-256 of the byte 1, the hash of the left and that of the right one.
//! - Of more than one leaf, the left tree has the largest power of two of them that is smaller than their number.
//! - Without leaves the root is SHA-256 of nothing.
//!
//! That a leaf is in a tree is proved by the hashes of the trees beside it, from the leaf upwards ([`path`]); who has the
//! root, the number of leaves and the leaf's place computes the root of them again ([`root_of_path`]). The two bytes keep a
//! tree from being passed off as a leaf.

use sha2::{Digest as _, Sha256};

/// A digest or a hash: 32 bytes.
pub type Hash = [u8; 32];

/// The hash of a leaf.
pub fn leaf(digest: &Hash) -> Hash {
    Sha256::new().chain_update([0]).chain_update(digest).finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// How many of so many leaves, at least two, the left tree has.
fn left_of(leaves: usize) -> usize {
    1 << (leaves - 1).ilog2()
}

/// The root over these leaves, in their order.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::new().finalize().into(),
        [one] => leaf(one),
        several => {
            let (left, right) = several.split_at(left_of(several.len()));
            node(&root(left), &root(right))
        }
    }
}

/// The hashes beside the way from the leaf at `place` to the root; `None`: there is no such leaf.
pub fn path(leaves: &[Hash], place: usize) -> Option<Vec<Hash>> {
    if place >= leaves.len() {
        return None;
    }
    if leaves.len() == 1 {
        return Some(Vec::new());
    }
    let (left, right) = leaves.split_at(left_of(leaves.len()));
    let (mut path, beside) =
        if place < left.len() { (self::path(left, place)?, root(right)) } else { (self::path(right, place - left.len())?, root(left)) };
    path.push(beside);
    Some(path)
}

/// The root of a tree of so many leaves that has this one at `place`, if the hashes beside its way are these; `None`: no
/// tree of that size has a way of that length there.
pub fn root_of_path(digest: &Hash, place: usize, leaves: usize, path: &[Hash]) -> Option<Hash> {
    if place >= leaves {
        return None;
    }
    if leaves == 1 {
        return path.is_empty().then(|| leaf(digest));
    }
    let (beside, below) = path.split_last()?;
    let left = left_of(leaves);
    Some(if place < left {
        node(&root_of_path(digest, place, left, below)?, beside)
    } else {
        node(beside, &root_of_path(digest, place - left, leaves - left, below)?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::hex;

    #[test]
    fn roots_are_those_of_the_standard() {
        assert_eq!(hex(&root(&[])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let leaves = [[1; 32], [2; 32], [3; 32]];
        assert_eq!(root(&leaves), node(&node(&leaf(&[1; 32]), &leaf(&[2; 32])), &leaf(&[3; 32])));
        assert_ne!(root(&leaves[..1]), leaves[0]);
    }

    fn leaves() -> impl Strategy<Value = Vec<Hash>> {
        proptest::collection::btree_set(any::<Hash>(), 1..70).prop_map(|set| set.into_iter().collect())
    }

    proptest! {
        #[test]
        fn every_leaf_is_proved_and_nothing_else(leaves in leaves(), other in any::<Hash>(), place in any::<prop::sample::Index>()) {
            let (size, wanted) = (leaves.len(), root(&leaves));
            for (at, digest) in leaves.iter().enumerate() {
                let path = path(&leaves, at).unwrap();
                prop_assert_eq!(root_of_path(digest, at, size, &path), Some(wanted));
            }
            let at = place.index(size);
            let path = path(&leaves, at).unwrap();
            if leaves[at] != other {
                prop_assert_ne!(root_of_path(&other, at, size, &path), Some(wanted));
            }
            prop_assert!(root_of_path(&leaves[at], size, size, &path).is_none());
            let elsewhere = (at + 1) % size;
            if elsewhere != at {
                prop_assert_ne!(root_of_path(&leaves[at], elsewhere, size, &path), Some(wanted));
            }
            for cut in 0..path.len() {
                prop_assert_ne!(root_of_path(&leaves[at], at, size, &path[..cut]), Some(wanted));
            }
        }

        #[test]
        fn a_root_tells_a_changed_missing_or_further_leaf(leaves in leaves(), other in any::<Hash>(), place in any::<prop::sample::Index>()) {
            let (wanted, at) = (root(&leaves), place.index(leaves.len()));
            let mut changed = leaves.clone();
            changed[at] = other;
            prop_assert!(changed == leaves || root(&changed) != wanted);
            let mut fewer = leaves.clone();
            fewer.remove(at);
            prop_assert_ne!(root(&fewer), wanted);
            let mut more = leaves;
            more.insert(at, other);
            prop_assert_ne!(root(&more), wanted);
        }
    }
}
