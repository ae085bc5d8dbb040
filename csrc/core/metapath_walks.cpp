#include "core/metapath_walks.h"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <string>

#include "core/ids.h"
#include "core/path_finder.h"
#include "core/pieces.h"
#include "core/rng.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kGrain = 32;  // pairs for one thread: from 50 us on

/// The walks of one pair at a time; buffers are reused from pair to pair.
class PairWalks {
 public:
  PairWalks(const Expand& expand, RelationId hidden, std::int64_t max_fan_out)
      : expand_(expand),
        hidden_(hidden),
        max_fan_out_(static_cast<std::size_t>(max_fan_out)),
        marks_(static_cast<std::size_t>(expand.num_entities()), 0) {}

  std::int64_t count(Metapath metapath, EntityId source, EntityId target) {
    begin(metapath, source, target, false);
    end();
    return total_;
  }

  void sample(Metapath metapath, EntityId source, EntityId target, std::int64_t count, CounterRng rng,
              MetapathWalks& out, std::int32_t pair) {
    rng_ = rng;
    begin(metapath, source, target, true);
    const std::size_t first = out.entities.size();
    if (total_ > 0) draw(count, out, pair);
    if (reversed_) sort_walks(out.entities, first);
    end();
  }

 private:
  void begin(Metapath metapath, EntityId source, EntityId target, bool keep_prefixes) {
    const std::size_t hops = metapath.size();
    relations_.assign(metapath.begin(), metapath.end());
    nodes_.assign(1, source);
    target_ = target;
    keep_prefixes_ = keep_prefixes;
    prefixes_.clear();
    ends_.clear();
    reversed_ = false;
    closing_ = {};
    total_ = 0;
    if (source == target) return;
    if (hops == 1) {
      total_ = metapath[0] != hidden_ && contains(expand_.full_row(source, metapath[0]), target);
      return;
    }
    closing_ = expand_.full_row(target, inverse(metapath[hops - 1]));
    if (hops > 2) {
      const Span<const Edge> opening = expand_.full_row(source, metapath[0]);
      if (closing_.size() < opening.size()) turn_round(opening);
    }
    for (const Edge& e : closing_) marks_[place_of(e.tail)] = 1;
    marks_[place_of(nodes_[0])] = marks_[place_of(target_)] = 0;
    descend();
  }

  void end() {
    for (const Edge& e : closing_) marks_[static_cast<std::size_t>(e.tail)] = 0;
  }

  /// Walks are the same from the target back: the search begins at the end with fewer neighbours.
  void turn_round(Span<const Edge> opening) {
    std::reverse(relations_.begin(), relations_.end());
    for (RelationId& r : relations_) r = inverse(r);
    std::swap(nodes_[0], target_);
    closing_ = opening;
    reversed_ = true;
  }

  /// Counts the walks that begin with nodes_; remembers prefixes of all but the last two hops that have any.
  void descend() {
    const std::size_t hop = nodes_.size() - 1;
    const Span<const Edge> row = expand_.full_row(nodes_.back(), relations_[hop]);
    if (hop + 2 == relations_.size()) {
      std::int64_t found = 0;
      meet(row, [&](EntityId) { ++found; });
      if (found == 0) return;
      total_ += found;
      if (!keep_prefixes_) return;
      prefixes_.insert(prefixes_.end(), nodes_.begin() + 1, nodes_.end());
      ends_.push_back(total_);
      return;
    }
    const bool cut = keep_prefixes_ && max_fan_out_ > 0 && row.size() > max_fan_out_;
    const std::size_t width = cut ? max_fan_out_ : row.size();
    const double stride = static_cast<double>(row.size()) / static_cast<double>(std::max<std::size_t>(width, 1));
    const double start = cut ? rng_.uniform() * stride : 0;
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t at = cut ? static_cast<std::size_t>(start + static_cast<double>(i) * stride) : i;
      const EntityId next = row[std::min(at, row.size() - 1)].tail;
      if (next == target_ || std::find(nodes_.begin(), nodes_.end(), next) != nodes_.end()) continue;
      const std::uint8_t mark = visit(next);
      descend();
      leave(mark);
    }
  }

  /// An entity on the walk is closed to its last but one place; gives the mark it had.
  std::uint8_t visit(EntityId entity) {
    std::uint8_t& mark = marks_[place_of(entity)];
    const std::uint8_t before = mark;
    mark = 0;
    nodes_.push_back(entity);
    return before;
  }
  void leave(std::uint8_t mark) {
    marks_[static_cast<std::size_t>(nodes_.back())] = mark;
    nodes_.pop_back();
  }

  /// Calls take(entity) for the entities that are in the row and joined to the target, rising.
  template <class Take>
  void meet(Span<const Edge> row, const Take& take) const {
    constexpr std::size_t kSearch = 8;  // a search costs about as much as looking at so many entities
    if (row.size() <= kSearch * closing_.size()) {
      for (const Edge& e : row) {
        if (marks_[place_of(e.tail)] != 0) take(e.tail);
      }
      return;
    }
    const auto* from = row.begin();
    for (const Edge& e : closing_) {
      if (marks_[static_cast<std::size_t>(e.tail)] == 0) continue;
      from = std::lower_bound(from, static_cast<const Edge*>(row.end()), e.tail,
                              [](Edge x, EntityId tail) { return x.tail < tail; });
      if (from == row.end()) return;
      if (from->tail == e.tail) take(e.tail);
    }
  }

  void draw(std::int64_t count, MetapathWalks& out, std::int32_t pair) {
    if (relations_.size() == 1) return write(kNone, out, pair);
    const std::vector<std::int64_t> chosen = choose(count);
    const std::size_t length = relations_.size() - 2;
    std::size_t next = 0;
    for (std::size_t p = 0; p < ends_.size() && next < chosen.size(); ++p) {
      if (chosen[next] >= ends_[p]) continue;
      std::vector<std::uint8_t> marks;
      marks.reserve(length);
      for (std::size_t i = 0; i < length; ++i) marks.push_back(visit(prefixes_[p * length + i]));
      std::int64_t number = p == 0 ? 0 : ends_[p - 1];
      meet(expand_.full_row(nodes_.back(), relations_[length]), [&](EntityId entity) {
        if (next < chosen.size() && chosen[next] == number++) {
          write(entity, out, pair);
          ++next;
        }
      });
      for (; !marks.empty(); marks.pop_back()) leave(marks.back());
    }
  }

  /// `count` different numbers of [0, total), rising, every set as likely as any other (Floyd's algorithm); all of them
  /// if there are no more.
  std::vector<std::int64_t> choose(std::int64_t count) {
    std::vector<std::int64_t> chosen;
    if (total_ <= count) {
      for (std::int64_t i = 0; i < total_; ++i) chosen.push_back(i);
      return chosen;
    }
    std::set<std::int64_t> set;
    for (std::int64_t last = total_ - count; last < total_; ++last) {
      const auto drawn = static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(last) + 1));
      if (!set.insert(drawn).second) set.insert(last);
    }
    chosen.assign(set.begin(), set.end());
    return chosen;
  }

  static constexpr EntityId kNone = -1;

  void write(EntityId last_but_one, MetapathWalks& out, std::int32_t pair) const {
    out.pairs.push_back(pair);
    const auto first = static_cast<std::ptrdiff_t>(out.entities.size());
    out.entities.insert(out.entities.end(), nodes_.begin(), nodes_.end());
    if (last_but_one != kNone) out.entities.push_back(last_but_one);
    out.entities.push_back(target_);
    if (reversed_) std::reverse(out.entities.begin() + first, out.entities.end());
  }

  /// Walks found backwards, put in the order in which they would have been found forwards.
  void sort_walks(std::vector<EntityId>& entities, std::size_t first) const {
    const std::size_t width = relations_.size() + 1;
    std::vector<std::vector<EntityId>> rows;
    for (std::size_t at = first; at < entities.size(); at += width) {
      const auto row = entities.begin() + static_cast<std::ptrdiff_t>(at);
      rows.emplace_back(row, row + static_cast<std::ptrdiff_t>(width));
    }
    std::sort(rows.begin(), rows.end());
    auto to = entities.begin() + static_cast<std::ptrdiff_t>(first);
    for (const auto& row : rows) to = std::copy(row.begin(), row.end(), to);
  }

  RelationId inverse(RelationId r) const { return expand_.graph().inverse(r); }

  static bool contains(Span<const Edge> row, EntityId tail) {
    const auto* const found =
        std::lower_bound(row.begin(), row.end(), tail, [](Edge e, EntityId wanted) { return e.tail < wanted; });
    return found != row.end() && found->tail == tail;
  }

  /// An entity's place in marks_; throws std::out_of_range on an id that a mapped graph should not hold.
  std::size_t place_of(EntityId e) const {
    const auto place = static_cast<std::size_t>(static_cast<std::uint32_t>(e));
    if (place >= marks_.size()) check_ids(Span<const EntityId>(&e, 1), expand_.num_entities(), "entity id");
    return place;
  }

  const Expand& expand_;
  RelationId hidden_;
  std::size_t max_fan_out_;
  CounterRng rng_;
  bool keep_prefixes_ = false, reversed_ = false;
  std::vector<RelationId> relations_;
  std::vector<EntityId> nodes_;
  EntityId target_ = 0;
  Span<const Edge> closing_;         // the target's neighbours along the last relation, by tail
  std::vector<std::uint8_t> marks_;  // per entity: may a walk's last but one place be here?
  std::int64_t total_ = 0;
  std::vector<EntityId> prefixes_;  // of all but the last two hops, source left out
  std::vector<std::int64_t> ends_;  // walks up to and with each prefix
};

void check_pairs(const Expand& expand, Span<const EntityId> sources, Span<const EntityId> targets, RelationId hidden) {
  check_length(targets.size(), sources.size(), "targets");
  check_ids(sources, expand.num_entities(), "sources");
  check_ids(targets, expand.num_entities(), "targets");
  if (hidden != -1) expand.graph().check_relation(hidden);
}

}  // namespace

void check_relations(const Graph& graph, Metapath metapath) {
  if (metapath.empty() || metapath.size() > kMaxPathHops) {
    throw std::invalid_argument("metapath: expected 1 to " + std::to_string(kMaxPathHops) + " relations, got " +
                                std::to_string(metapath.size()));
  }
  for (const RelationId r : metapath) graph.check_relation(r);
}

MetapathWalks sample_metapath(const Expand& expand, Metapath metapath, Span<const EntityId> sources,
                              Span<const EntityId> targets, const MetapathLimits& limits, RelationId hidden,
                              std::uint64_t seed) {
  check_relations(expand.graph(), metapath);
  check_pairs(expand, sources, targets, hidden);
  if (limits.count < 1) {
    throw std::invalid_argument("count must be at least 1, got " + std::to_string(limits.count));
  }
  if (limits.max_fan_out < 0) {
    throw std::invalid_argument("max_fan_out must be 0 (no limit) or positive, got " +
                                std::to_string(limits.max_fan_out));
  }
  MetapathWalks all;
  in_pieces(
      sources.size(), kGrain,
      [&](std::size_t begin, std::size_t end) {
        MetapathWalks piece;
        PairWalks walks(expand, hidden, limits.max_fan_out);
        for (std::size_t i = begin; i < end; ++i) {
          walks.sample(metapath, sources[i], targets[i], limits.count, CounterRng(seed, i), piece,
                       static_cast<std::int32_t>(i));
        }
        return piece;
      },
      [&](MetapathWalks&& piece) {
        append(all.pairs, piece.pairs);
        append(all.entities, piece.entities);
      });
  return all;
}

std::vector<std::int64_t> count_metapaths(const Expand& expand, Span<const Metapath> metapaths,
                                          Span<const EntityId> sources, Span<const EntityId> targets,
                                          RelationId hidden) {
  for (const Metapath metapath : metapaths) check_relations(expand.graph(), metapath);
  check_pairs(expand, sources, targets, hidden);
  std::vector<std::int64_t> counts(sources.size() * metapaths.size());
  parallel_for(static_cast<std::int64_t>(sources.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    PairWalks walks(expand, hidden, 0);
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      for (std::size_t m = 0; m < metapaths.size(); ++m) {
        counts[i * metapaths.size() + m] = walks.count(metapaths[m], sources[i], targets[i]);
      }
    }
  });
  return counts;
}

}  // namespace kgwalk
