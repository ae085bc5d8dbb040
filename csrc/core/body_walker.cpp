#include "core/body_walker.h"

#include <algorithm>

namespace kgwalk {

BodyWalker::BodyWalker(const RelationIndex& index, bool object_identity)
    : index_(index),
      object_identity_(object_identity),
      stamp_(static_cast<std::size_t>(index.num_entities()), 0),
      place_(static_cast<std::size_t>(index.num_entities()), 0) {}

bool BodyWalker::on_walk(std::int32_t walk, EntityId entity) const {
  for (; walk >= 0; walk = walks_[static_cast<std::size_t>(walk)].before) {
    if (walks_[static_cast<std::size_t>(walk)].at == entity) return true;
  }
  return false;
}

void BodyWalker::expand(const BodyTree::Node& node, std::int32_t begin, std::int32_t end, int depth) {
  auto& by_child = levels_[static_cast<std::size_t>(depth)].by_child;
  const auto children = static_cast<std::size_t>(node.last_child - node.first_child);
  if (by_child.size() < children) by_child.resize(children);
  for (std::size_t c = 0; c < children; ++c) by_child[c].clear();
  const BodyTree::Node* const first = tree_->nodes().data() + node.first_child;
  for (std::int32_t w = begin; w < end; ++w) {
    const auto runs = index_.runs(walks_[static_cast<std::size_t>(w)].at);
    // Both sides rise by relation. A galloping start pays where a hub has many relations and the tree follows few.
    const RelationIndex::Run* run = runs.begin();
    for (std::size_t c = 0; c < children && run != runs.end(); ++c) {
      const RelationId wanted = first[c].relation;
      if (runs.end() - run > 8 * static_cast<std::ptrdiff_t>(children - c)) {
        run = std::lower_bound(run, runs.end(), wanted,
                               [](const RelationIndex::Run& r, RelationId x) { return r.relation < x; });
      } else {
        while (run != runs.end() && run->relation < wanted) ++run;
      }
      if (run == runs.end() || run->relation != wanted) continue;
      auto& out = by_child[c];
      if (!object_identity_) {
        for (const EntityId tail : index_.tails(*run)) out.push_back({tail, w});
      } else {
        for (const EntityId tail : index_.tails(*run)) {
          if (!on_walk(w, tail)) out.push_back({tail, w});
        }
      }
    }
  }
}

void BodyWalker::keep(std::size_t child, int hops_to_go, int depth) {
  Level& level = levels_[static_cast<std::size_t>(depth)];
  level.ends.clear();
  ++round_;
  for (const Reached& reached : level.by_child[child]) {
    const auto e = static_cast<std::size_t>(reached.at);
    const bool met = stamp_[e] == round_;
    if (!met) {
      stamp_[e] = round_;
      place_[e] = -1;
      level.ends.push_back(reached.at);
    }
    if (hops_to_go == 0 || (met && !object_identity_)) continue;
    const auto fresh = static_cast<std::int32_t>(walks_.size());
    walks_.push_back({reached.at, reached.before, place_[e]});
    if (met && !blocked_without(place_[e], fresh, hops_to_go)) {
      walks_.pop_back();
    } else {
      place_[e] = fresh;
    }
  }
}

bool BodyWalker::blocked_without(std::int32_t kept, std::int32_t fresh, int hops) {
  // The first kept walk that no blocker stands on yet.
  const auto blocked = [&](std::int32_t walk) {
    return std::any_of(blockers_.begin(), blockers_.end(), [&](EntityId e) { return on_walk(walk, e); });
  };
  while (kept >= 0 && blocked(kept)) kept = walks_[static_cast<std::size_t>(kept)].rival;
  if (kept < 0) return true;
  if (hops == 0) return false;
  // One of its inner entities must be blocked, and the fresh walk must stay free.
  for (std::int32_t w = walks_[static_cast<std::size_t>(kept)].before; walks_[static_cast<std::size_t>(w)].before >= 0;
       w = walks_[static_cast<std::size_t>(w)].before) {
    const EntityId inner = walks_[static_cast<std::size_t>(w)].at;
    if (on_walk(fresh, inner)) continue;
    blockers_.push_back(inner);
    const bool found = blocked_without(kept, fresh, hops - 1);
    blockers_.pop_back();
    if (found) return true;
  }
  return false;
}

}  // namespace kgwalk
