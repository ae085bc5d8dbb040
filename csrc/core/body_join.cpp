#include "core/body_join.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/dynamic_for.h"

namespace kgwalk {
namespace {

/// Joins one fact after another; buffers are reused.
class Joiner {
 public:
  Joiner(const RelationIndex& index, const BodyCode& code, int max_length, bool object_identity)
      : index_(index),
        code_(code),
        max_length_(max_length),
        object_identity_(object_identity),
        mark_(static_cast<std::size_t>(index.num_entities()), 0) {}

  void join(const Triple& fact) {
    if (object_identity_ && fact.head == fact.tail) return;  // X and Y are different entities
    // The same walks, from the end with fewer second neighbours; bodies found from Y are turned round.
    const bool reversed = breadth(fact.tail) < breadth(fact.head);
    own_ = fact;
    from_ = reversed ? fact.tail : fact.head;
    to_ = reversed ? fact.head : fact.tail;
    mark_ends();
    bodies_.clear();
    atoms_.clear();
    nodes_.assign(1, from_);
    descend(reversed);
    for (const Last& last : last_hops_) mark_[static_cast<std::size_t>(last.from)] = 0;
    std::sort(bodies_.begin(), bodies_.end());
    bodies_.erase(std::unique(bodies_.begin(), bodies_.end()), bodies_.end());
    for (const std::uint64_t body : bodies_) table.add(code_.rule(body, fact.relation));
  }

  CountTable table;

 private:
  struct Last {  // a last hop: from an entity along a relation to `to_`
    EntityId from;
    RelationId relation;
  };

  std::int64_t breadth(EntityId e) const {
    std::int64_t sum = 0;
    for (const RelationIndex::Run& run : index_.runs(e)) {
      for (const EntityId tail : index_.tails(run)) sum += index_.num_runs(tail);
    }
    return sum;
  }

  /// Whether the edge is the fact that is being explained, or its inverse.
  bool is_own(EntityId head, RelationId relation, EntityId tail) const {
    return (relation == own_.relation && head == own_.head && tail == own_.tail) ||
           (relation == index_.inverse(own_.relation) && head == own_.tail && tail == own_.head);
  }

  /// mark_[e] is 1 + the first of the last hops from e, in last_hops_ sorted by e.
  void mark_ends() {
    last_hops_.clear();
    for (const RelationIndex::Run& run : index_.runs(to_)) {
      for (const EntityId tail : index_.tails(run)) {
        if (is_own(to_, run.relation, tail) || (object_identity_ && tail == to_)) continue;
        last_hops_.push_back({tail, index_.inverse(run.relation)});
      }
    }
    std::sort(last_hops_.begin(), last_hops_.end(), [](const Last& a, const Last& b) {
      return a.from != b.from ? a.from < b.from : a.relation < b.relation;
    });
    for (std::size_t i = last_hops_.size(); i-- > 0;) {
      mark_[static_cast<std::size_t>(last_hops_[i].from)] = static_cast<std::int32_t>(i + 1);
    }
  }

  void descend(bool reversed) {
    const EntityId at = nodes_.back();
    if (const std::int32_t mark = mark_[static_cast<std::size_t>(at)]; mark > 0) {
      for (auto i = static_cast<std::size_t>(mark) - 1; i < last_hops_.size() && last_hops_[i].from == at; ++i) {
        atoms_.push_back(last_hops_[i].relation);
        keep(reversed);
        atoms_.pop_back();
      }
    }
    if (static_cast<int>(atoms_.size()) + 1 >= max_length_) return;
    const bool before_last = static_cast<int>(atoms_.size()) + 2 == max_length_;
    for (const RelationIndex::Run& run : index_.runs(at)) {
      for (const EntityId tail : index_.tails(run)) {
        // Most nodes are dead ends one hop before the last: look before going there.
        if (before_last && mark_[static_cast<std::size_t>(tail)] == 0) continue;
        if (is_own(at, run.relation, tail)) continue;
        if (object_identity_ && (tail == to_ || std::find(nodes_.begin(), nodes_.end(), tail) != nodes_.end())) {
          continue;
        }
        nodes_.push_back(tail);
        atoms_.push_back(run.relation);
        descend(reversed);
        nodes_.pop_back();
        atoms_.pop_back();
      }
    }
  }

  void keep(bool reversed) {
    std::uint64_t body = 0;
    if (reversed) {
      for (std::size_t i = atoms_.size(); i-- > 0;) body = code_.push(body, index_.inverse(atoms_[i]));
    } else {
      for (const RelationId r : atoms_) body = code_.push(body, r);
    }
    bodies_.push_back(body);
  }

  const RelationIndex& index_;
  const BodyCode& code_;
  int max_length_;
  bool object_identity_;
  std::vector<std::int32_t> mark_;
  Triple own_{};
  EntityId from_ = 0, to_ = 0;
  std::vector<Last> last_hops_;
  std::vector<EntityId> nodes_;
  std::vector<RelationId> atoms_;
  std::vector<std::uint64_t> bodies_;
};

}  // namespace

BodyCode::BodyCode(RelationId num_relations, int max_length)
    : base_(2 * static_cast<std::uint64_t>(num_relations) + 1),
      num_relations_(static_cast<std::uint64_t>(num_relations)) {
  std::uint64_t room = std::numeric_limits<std::uint64_t>::max() / std::max<std::uint64_t>(num_relations_, 1);
  for (int i = 0; i < max_length; ++i) room /= base_;
  if (room == 0) {
    throw std::invalid_argument("max_length: rules of " + std::to_string(max_length) + " atoms over " +
                                std::to_string(num_relations) + " relations do not fit in 64 bits; take fewer atoms");
  }
}

std::vector<RelationId> BodyCode::atoms(std::uint64_t body) const {
  std::vector<RelationId> found;
  for (; body != 0; body /= base_) found.push_back(static_cast<RelationId>(body % base_) - 1);
  std::reverse(found.begin(), found.end());
  return found;
}

void join_bodies(const RelationIndex& index, const BodyCode& code, Span<const Triple> facts, int max_length,
                 bool object_identity, CountTable& support) {
  constexpr std::int64_t kBlock = 16;
  for_each_dynamic(
      static_cast<std::int64_t>(facts.size()), kBlock, [&] { return Joiner(index, code, max_length, object_identity); },
      [&](Joiner& joiner, std::int64_t i) { joiner.join(facts[static_cast<std::size_t>(i)]); },
      [&](Joiner& joiner) { joiner.table.for_each([&](std::uint64_t key, std::uint32_t n) { support.add(key, n); }); });
}

}  // namespace kgwalk
